// Work on the server that a page follows to its end: how far it is, what it shows, and Stop.

const FOLLOW_POLL_MS = 500;

/**
 * Follows a job; the page's meter, words and buttons say how far it is.
 * @param {object} page its `bridge`, `say`, `meter`, `go` and `stopButton`; its `job` and `stopping`
 * @param {object} begun the answer that began it
 * @param {function(object): Promise<boolean>|boolean} draw shows what an answer brings, and tells whether it brought any
 * @param {function(object): string} ended words for its end
 */
async function followJob(page, begun, draw, ended) {
  page.job = begun.job;
  page.stopping = false;
  page.go.disabled = true;
  page.stopButton.hidden = false;
  let found = begun;
  let shown = -1;
  while (found && !found.error && !found.done) {
    page.meter.hidden = found.fraction === null;
    if (!page.meter.hidden) page.meter.value = found.fraction;
    showWords(page.say, found.said || "beginning");
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_POLL_MS));
    const stop = page.stopping;
    page.stopping = false;
    found = await page.bridge.ask({ ask: "job", job: page.job, stop, shown }, true);
    if (found && !found.error && (await draw(found))) shown = found.shown;
  }
  page.job = null;
  page.meter.hidden = true;
  page.stopButton.hidden = true;
  page.go.disabled = false;
  if (found && found.error) showProblem(page.say, found.error);
  else if (found) showWords(page.say, found.stopped ? "Stopped; what was made stays." : ended(found));
}
