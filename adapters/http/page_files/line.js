// The connection to the native protocol: one WebSocket after another, and one session as long as the server keeps it.

const PING_MS = 60000; // the server shows out who is silent for long
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

export class Line {
  constructor(on) {
    this.on = on;
    this.token = new URLSearchParams(location.search).get("token") ?? "";
    this.session = null;
    this.up = false;
    this.waitMs = FIRST_WAIT_MS;
    setInterval(() => this.send({ type: "ping", t: Math.round(performance.now()) }), PING_MS);
  }

  open() {
    const url = new URL("v1/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = this.token ? new URLSearchParams({ token: this.token }) : "";
    this.denied = false;
    this.socket = new WebSocket(url, "voiceagent.v1");
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.take(JSON.parse(data)) : this.on.audio(data));
    this.socket.onclose = () => this.closed();
  }

  send(message) {
    if (this.up) this.socket.send(JSON.stringify(message));
  }

  take(event) {
    if (event.type === "ready") {
      this.voices = event.voices;
      const have = this.on.have();
      if (have && this.session?.token) {
        const { session, token } = this.session;
        this.next = event;
        this.socket.send(JSON.stringify({ type: "resume", session, token, have }));
      } else {
        this.isUp(event);
        if (have) this.on.forgotten();
      }
    } else if (event.type === "resumed") {
      this.isUp(this.session);
      this.on.resumed(event.open);
    } else if (event.code === "resume_failed") {
      this.isUp(this.next);
      this.on.forgotten();
    } else if (event.code === "unauthorized") {
      this.denied = true;
    } else {
      this.on.event(event);
    }
  }

  isUp(session) {
    this.session = session;
    this.up = true;
    this.waitMs = FIRST_WAIT_MS;
    this.on.up(this.voices);
  }

  closed() {
    const was = this.up;
    this.up = false;
    this.on.down({ denied: this.denied, was });
    if (this.denied) return;
    setTimeout(() => this.open(), this.waitMs);
    this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
  }
}
