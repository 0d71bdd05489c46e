// The text of a turn, and its words as they light up.
//
// Offsets in the protocol count characters, JavaScript's strings do not; so the text is an array of characters.

export class Transcript {
  constructor(element) {
    this.element = element;
  }

  begin() {
    this.words = [];
    this.spans = new Map();
    this.text = [];
    this.split = 0;
    this.lit = 0;
    this.rest = document.createTextNode("");
    this.element.replaceChildren(this.rest);
  }

  add(characters) {
    this.text.push(...characters);
    this.rest.data += characters.join("");
  }

  /** Takes words, each { s, e, c0, c1 }: ms, and characters of the text. A figure is several words at one place. */
  say(words) {
    const last = this.words.at(-1);
    for (const word of words) {
      // After a lost connection the last ones come again.
      if (last && (word.s < last.s || (word.s === last.s && word.c0 <= last.c0))) continue;
      if (word.c0 >= this.split) this.cut(word);
      this.words.push({ ...word, span: this.spans.get(word.c0) });
    }
    this.rest.data = this.text.slice(this.split).join("");
  }

  cut({ c0, c1 }) {
    const span = document.createElement("span");
    span.className = "word";
    span.textContent = this.text.slice(c0, c1).join("");
    this.rest.before(this.text.slice(this.split, c0).join(""), span);
    this.spans.set(c0, span);
    this.split = c1;
  }

  light(heardMs) {
    while (this.lit < this.words.length && this.words[this.lit].s <= heardMs) {
      this.words[this.lit].span?.classList.add("said");
      this.lit += 1;
    }
    const now = this.words[this.lit - 1];
    const span = now && heardMs < now.e ? now.span : null;
    if (span === this.now) return;
    this.now?.classList.remove("now");
    span?.classList.add("now");
    this.now = span;
  }

  /** What was heard stays lit, and nothing moves any more. */
  end(heardMs) {
    this.light(heardMs);
    this.now?.classList.remove("now");
    this.now = null;
  }
}
