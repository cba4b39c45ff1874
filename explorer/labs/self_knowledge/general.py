"""General questions, written for this lab: for models that have read of the world."""

from __future__ import annotations

import numpy as np

from explorer.labs.self_knowledge.question import Question

# question | right answer | three wrong ones of its kind
_WRITTEN = """\
What is the capital of France?|Paris|London|Rome|Madrid
What is the capital of Italy?|Rome|Paris|Berlin|Athens
What is the capital of Japan?|Tokyo|Beijing|Seoul|Bangkok
What is the capital of Egypt?|Cairo|Rome|Lima|Delhi
What is the capital of Peru?|Lima|Quito|Bogota|Santiago
What is the capital of Norway?|Oslo|Stockholm|Helsinki|Copenhagen
What is the capital of Kenya?|Nairobi|Cairo|Lagos|Accra
What is the capital of Portugal?|Lisbon|Madrid|Porto|Rome
What is the capital of Hungary?|Budapest|Vienna|Prague|Warsaw
What is the capital of Canada?|Ottawa|Toronto|Montreal|Vancouver
What is the capital of Australia?|Canberra|Sydney|Melbourne|Perth
What is the capital of Turkey?|Ankara|Istanbul|Athens|Cairo
Which planet is nearest to the Sun?|Mercury|Venus|Mars|Earth
Which planet is the largest?|Jupiter|Saturn|Earth|Mars
Which planet is known as the red planet?|Mars|Venus|Jupiter|Saturn
Which planet has the brightest rings?|Saturn|Mars|Venus|Earth
What do bees make?|honey|milk|silk|wax
What do cows give us to drink?|milk|honey|juice|wine
Which animal barks?|dog|cat|horse|sheep
Which animal is the largest on Earth?|whale|elephant|shark|giraffe
Which animal has a long trunk?|elephant|giraffe|camel|lion
Which animal has the longest neck?|giraffe|horse|zebra|camel
Which bird cannot fly?|penguin|eagle|robin|owl
What is a young dog called?|puppy|kitten|calf|lamb
What is a young cow called?|calf|puppy|lamb|foal
What is a young sheep called?|lamb|calf|kid|foal
What do caterpillars turn into?|butterflies|birds|beetles|spiders
How many legs does a spider have?|eight|six|four|ten
How many legs does an insect have?|six|eight|four|ten
How many days are in a week?|seven|five|six|eight
How many months are in a year?|twelve|ten|eleven|thirteen
How many sides does a triangle have?|three|four|five|six
How many sides does a hexagon have?|six|five|seven|eight
How many players of one team are on a football field?|eleven|nine|ten|twelve
What colour is the sky on a clear day?|blue|green|red|yellow
What colour is grass?|green|blue|red|white
What colour is a ripe banana?|yellow|blue|green|purple
What colour do you get from blue and yellow?|green|orange|purple|brown
What colour do you get from red and white?|pink|purple|orange|brown
What colour is an emerald?|green|red|blue|yellow
What is the opposite of hot?|cold|warm|dry|wet
What is the opposite of up?|down|left|right|over
What is the opposite of early?|late|soon|fast|slow
What is the opposite of empty?|full|heavy|open|small
What is the opposite of brave?|cowardly|strong|bold|calm
What is ice made of?|water|glass|sugar|salt
What gas do plants take in?|carbon dioxide|oxygen|nitrogen|helium
What gas do we need to breathe?|oxygen|helium|hydrogen|nitrogen
Which metal is liquid at room temperature?|mercury|iron|gold|copper
What is the chemical symbol of gold?|Au|Ag|Fe|Pb
What is the chemical symbol of iron?|Fe|Ir|Au|Sn
What is the hardest natural material?|diamond|gold|iron|marble
Who wrote Hamlet?|Shakespeare|Dickens|Homer|Goethe
Who wrote Don Quixote?|Cervantes|Shakespeare|Dante|Homer
Who painted the Mona Lisa?|Leonardo|Picasso|Rembrandt|Monet
Who painted Guernica?|Picasso|Goya|Monet|Dali
Who developed the theory of relativity?|Einstein|Newton|Darwin|Galileo
Who described evolution by natural selection?|Darwin|Newton|Einstein|Pasteur
Which language is spoken in Brazil?|Portuguese|Spanish|French|English
Which language is spoken in Austria?|German|French|Italian|Hungarian
Which ocean lies between Europe and America?|Atlantic|Pacific|Indian|Arctic
Which is the longest river of Africa?|Nile|Congo|Niger|Zambezi
On which continent is India?|Asia|Africa|Europe|America
On which continent is Egypt?|Africa|Asia|Europe|America
Which season comes after winter?|spring|summer|autumn|fall
Which month comes after March?|April|May|February|June
Which day comes after Friday?|Saturday|Sunday|Thursday|Monday
Which organ pumps blood?|heart|liver|lung|brain
Which organ do we think with?|brain|heart|liver|stomach
What do we call frozen rain?|hail|fog|dew|wind
What is seven plus five?|twelve|eleven|thirteen|ten
What is nine minus four?|five|six|four|three
What is three times six?|eighteen|sixteen|twelve|twenty
What is half of thirty?|fifteen|ten|twenty|twelve
What is eight times seven?|fifty-six|forty-eight|fifty-four|sixty-three
What is the square root of eighty-one?|nine|eight|seven|ten
Which instrument has black and white keys?|piano|violin|drum|flute
Which instrument has four strings and is played with a bow?|violin|guitar|piano|trumpet
What do you use to cut paper?|scissors|spoon|hammer|pencil
What do you use to drive in a nail?|hammer|saw|scissors|spoon
"""
QUESTIONS = tuple(tuple(line.split("|")) for line in _WRITTEN.splitlines())
"""Question, right answer, three wrong ones."""
MOST = len(QUESTIONS)


def general(count: int, seed: int) -> list[Question]:
    """Some of the questions in an order that says nothing, their options shuffled.

    Args:
        count: at most `MOST`.
        seed: decides which, and both orders.
    """
    draw = np.random.default_rng(seed)
    chosen = [QUESTIONS[i] for i in draw.permutation(MOST)[:count].tolist()]
    made = [Question(text, answer, (answer, *others)) for text, answer, *others in chosen]
    return [question.shuffled(draw) for question in made]
