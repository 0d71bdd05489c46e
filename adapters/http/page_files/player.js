// Plays the samples that it is handed, on the audio thread, and tells how far it is.
//
// in:  { samples: Float32Array }   more of the turn
//      { last: true }              no more comes
//      { turn: number }            silence now; forget what waits, and begin another turn
// out: { turn, played, at }        samples of the turn that have been played by frame `at` of the audio clock,
//                                  some fifty times a second
//      { turn, audible: frame }    where on the audio clock its first sample was that can be heard
//      { turn, underruns }         the ring ran empty so often although more was to come
//      { turn, ended: true }       all of it has been played
//
// Whoever writes keeps less than RING_S waiting.

const RING_S = 20;
const REPORT_S = 0.02;
const AUDIBLE = 0.01;
const FADE_S = 0.005; // a cut inside a wave clicks, this does not, and it is too short to hear
const REFILL_S = 0.15; // after an underrun this much is waited for, so that one gap does not become ten

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new Float32Array(RING_S * sampleRate);
    this.turn = 0;
    this.reported = 0;
    this.reset();
    this.port.onmessage = ({ data }) => this.take(data);
  }

  reset() {
    this.written = 0; // samples of the turn, of which the ring holds the last ones
    this.played = 0;
    this.fading = 0; // samples that are left of a fade
    this.last = false;
    this.filling = 0; // play once this many wait
    this.heard = false;
    this.ended = true;
    this.underruns = 0;
  }

  take({ samples, last, turn }) {
    if (turn) {
      this.turn = turn;
      this.fading = Math.min(this.written - this.played, Math.round(FADE_S * sampleRate));
      this.written = this.played + this.fading;
      if (!this.fading) this.reset();
    } else if (samples) {
      if (this.fading) this.reset();
      this.ended = false;
      for (const sample of samples) this.ring[this.written++ % this.ring.length] = sample;
    } else if (last) {
      this.last = true;
    }
  }

  process(_, [[out]]) {
    const waiting = this.written - this.played;
    const ready = waiting > 0 && (waiting >= this.filling || this.last || this.fading > 0);
    const n = ready ? Math.min(out.length, waiting) : 0;
    for (let i = 0; i < n; i++) out[i] = this.ring[this.played++ % this.ring.length];
    if (n) this.filling = 0;
    if (this.fading) this.fade(out, n);
    else this.watch(out, n);
    if (!this.fading && currentFrame - this.reported >= REPORT_S * sampleRate) this.report(out.length);
    return true;
  }

  fade(out, n) {
    const length = Math.round(FADE_S * sampleRate);
    for (let i = 0; i < n; i++) out[i] *= Math.max(0, this.fading - i) / length;
    this.fading -= n;
    if (this.fading <= 0) this.reset();
  }

  watch(out, n) {
    if (!this.heard) {
      const i = out.findIndex((sample, i) => i < n && Math.abs(sample) > AUDIBLE);
      this.heard = i >= 0;
      if (this.heard) this.tell({ audible: currentFrame + i });
    }
    if (n === out.length || this.ended || this.filling) return;
    if (this.last && this.written === this.played) {
      this.ended = true;
      this.report(out.length);
      this.tell({ ended: true });
    } else if (!this.last) {
      this.filling = Math.round(REFILL_S * sampleRate);
      this.tell({ underruns: ++this.underruns });
    }
  }

  report(length) {
    this.reported = currentFrame;
    this.tell({ played: this.played, at: currentFrame + length });
  }

  tell(message) {
    this.port.postMessage({ turn: this.turn, ...message });
  }
}

registerProcessor("player", Player);
