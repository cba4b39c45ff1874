// Questions to the server, one under way at a time; hidden parts of the page carry them.

const PRESS_AGAIN_MS = 500;

class Bridge {
  constructor(name) {
    this.name = name;
    this.ticket = 0;
    this.waiting = [];
    this.current = null;
  }

  /**
   * Asks, and answers with what came back; a question of the same `ask` that was not sent yet
   * is given up, and its promise answers with null, unless each of its kind counts.
   * @param {object} question JSON-able, with its kind in `ask`
   * @param {boolean} counts it changes something: a later one of its kind does not replace it
   * @returns {Promise<object|null>} the answer, which may hold an `error` {message, hint}
   */
  ask(question, counts = false) {
    return new Promise((resolve) => {
      this.waiting = this.waiting.filter((entry) => {
        if (entry.counts || entry.question.ask !== question.ask) return true;
        entry.resolve(null);
        return false;
      });
      this.ticket += 1;
      this.waiting.push({ question: { ...question, ticket: this.ticket }, counts, resolve });
      this.next();
    });
  }

  next() {
    if (this.current || this.waiting.length === 0) return;
    this.current = this.waiting.shift();
    this.taken = false;
    this.press();
  }

  /** Presses the hidden button until somebody hears it: the page may still be put together. */
  press() {
    if (this.taken || !this.current) return;
    const button = document.getElementById(`gx-${this.name}-ask`);
    if (button) button.click();
    setTimeout(() => this.press(), PRESS_AGAIN_MS);
  }

  /** What Gradio sends as the hidden button is pressed; pressed twice, it is sent once. */
  question() {
    if (this.taken || !this.current) return "{}";
    this.taken = true;
    return JSON.stringify(this.current.question);
  }

  /** Gradio itself gave the question up: the queue was full, or the server is gone. */
  failed() {
    if (!this.current) return;
    const error = { message: "The server did not answer.", hint: "Try again; if it stays so, reload the page." };
    this.answer(JSON.stringify({ ticket: this.current.question.ticket, error }));
  }

  answer(text) {
    const entry = text ? JSON.parse(text) : { ticket: null };
    // An answer whose ticket nobody holds is of a page that was left.
    if (!this.current || entry.ticket !== this.current.question.ticket) return;
    const { resolve } = this.current;
    this.current = null;
    resolve(entry);
    this.next();
  }
}

const bridges = new Map();

function bridgeOf(name) {
  if (!bridges.has(name)) bridges.set(name, new Bridge(name));
  return bridges.get(name);
}
