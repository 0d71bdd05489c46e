// The loudspeaker: this page's end of the worklet in player.js, and what its clock says.

export const RATE_HZ = 24000;
const AHEAD_S = 15; // what may wait on the audio thread; the rest waits here

export class Loudspeaker {
  constructor(on) {
    this.on = on;
    this.turn = 0;
    this.waiting = [];
    this.clear();
  }

  clear() {
    this.waiting.length = 0;
    this.posted = 0;
    this.report = { played: 0, at: 0 };
  }

  /** Fetches the worklet ahead of time; a browser plays only after somebody has clicked. */
  load() {
    this.context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    this.loaded = this.context.audioWorklet.addModule(new URL("player.js", import.meta.url)).then(() => {
      this.node = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
      this.node.port.onmessage = ({ data }) => this.take(data);
      this.node.connect(this.context.destination);
    });
    this.loaded.catch(() => {}); // told by open
  }

  async open() {
    if (!this.context) this.load();
    await Promise.all([this.loaded, this.context.resume()]);
  }

  /** Silence; what comes from now on is another turn. */
  begin() {
    this.turn += 1;
    this.clear();
    this.node.port.postMessage({ turn: this.turn });
  }

  play(samples) {
    this.waiting.push({ samples });
    this.pump();
  }

  finish() {
    if (!this.posted) {
      this.on({ ended: true }); // there was nothing to say
      return;
    }
    this.waiting.push({ last: true });
    this.pump();
  }

  pump() {
    while (this.waiting.length && this.posted - this.report.played < AHEAD_S * RATE_HZ) {
      const message = this.waiting.shift();
      this.posted += message.samples?.length ?? 0;
      this.node.port.postMessage(message, message.samples ? [message.samples.buffer] : []);
    }
  }

  take(data) {
    if (data.turn !== this.turn) return;
    if (data.played !== undefined) {
      this.report = data;
      this.pump();
    } else {
      this.on(data);
    }
  }

  /** The audio clock at the loudspeaker, in seconds; what has been rendered is not heard yet. */
  now() {
    const stamp = this.context.getOutputTimestamp();
    if (stamp.contextTime > 0) return stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000;
    return this.context.currentTime - (this.context.outputLatency || 0);
  }

  /** When, on the page's clock, a frame of the audio clock is heard. */
  heardAtMs(frame) {
    return performance.now() + (frame / RATE_HZ - this.now()) * 1000;
  }

  /** Seconds of the turn that have been heard. */
  heardS() {
    if (!this.report.at) return 0;
    const played = this.report.played / RATE_HZ;
    return Math.max(0, Math.min(played, played + this.now() - this.report.at / RATE_HZ));
  }
}
