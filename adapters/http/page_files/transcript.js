// The text of a turn, and its words as they light up.
//
// Offsets in the protocol count characters, JavaScript's strings do not; so the text is an array of characters.

export class Transcript {
  constructor(element) {
    this.element = element;
  }

  begin() {
    this.words = [];
    this.span = null;
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

  /** Makes an element of a word, with the punctuation that touches it. */
  cut({ c0, c1 }) {
    const between = this.text.slice(this.split, c0).join("");
    const [, after, apart, before] = between.match(/^(\S*)(.*?)(\S*)$/s);
    if (this.span) this.span.append(after);
    else this.rest.before(after);
    this.span = document.createElement("span");
    this.span.className = "word";
    this.span.textContent = before + this.text.slice(c0, c1).join("");
    this.rest.before(apart, this.span);
    this.spans.set(c0, this.span);
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

  /** What was heard by then, word for word; the server's answer to a cancel looks the same. */
  heard(heardMs) {
    const whole = this.words.filter(({ e }) => e <= heardMs);
    const cut = Math.max(0, ...whole.map(({ c1 }) => c1));
    return { text_spoken: this.text.slice(0, cut).join(""), text_remaining: this.text.slice(cut).join("") };
  }

  /** What was heard stays lit, and nothing moves any more. */
  end(heardMs) {
    this.light(heardMs);
    this.now?.classList.remove("now");
    this.now = null;
    if (this.lit === this.words.length) {
      const closing = this.rest.data.match(/^\S*/)[0];
      this.span?.append(closing);
      this.split += Array.from(closing).length;
      this.rest.data = this.text.slice(this.split).join("");
    }
  }
}
