// The page: one turn of speech between a connection and a loudspeaker.

import { EditForm } from "./edit.js";
import { Line } from "./line.js";
import { Loudspeaker, RATE_HZ } from "./loudspeaker.js";
import { Transcript } from "./transcript.js";

const TOKEN_MS = 1000 / 30;
const PIECE_CHARS = 2000;
const PLAYED_MS = 500; // how often the server is told what has been heard
const HEADER_BYTES = 16;
const FLAG_LAST = 1;

const $ = (id) => document.getElementById(id);
const transcript = new Transcript($("words"));
const line = new Line({ up, down, have, resumed, forgotten, event, audio });
const loudspeaker = new Loudspeaker(heardOf);
new EditForm($("edit"), () => line.token, () => $("voice").value);
let turn = null;
let turns = 0;

// A turn: what is to be said, how much of it has been sent, what has come back.

async function speak() {
  await loudspeaker.open();
  if (!line.up) return;
  loudspeaker.begin();
  transcript.begin();
  turns += 1;
  const text = $("text").value;
  turn = {
    id: `page-${turns}`,
    pieces: $("tokens").checked ? text.match(/\s*\S{1,5}|\s+/gu) ?? [] : pieces(Array.from(text)),
    pauseMs: $("tokens").checked ? TOKEN_MS : 0,
    next: 0,
    sentChars: 0,
    ended: false,
    open: true, // the server has more to say about it
    playing: true,
    seq: -1,
    samples: 0,
    firstTextAt: null,
    stoppedAtMs: null,
  };
  for (const id of ["first", "played", "length"]) $(id).value = "–";
  $("gaps").value = "0";
  $("heard").hidden = true;
  notice("");
  start();
  send(turn);
  $("stop").disabled = false;
  requestAnimationFrame(light);
}

function start() {
  const format = { encoding: "pcm_s16le", sample_rate: RATE_HZ };
  line.send({ type: "start", id: turn.id, voice: $("voice").value, speed: Number($("speed").value), format, preempt: true });
}

function pieces(characters) {
  const cut = [];
  for (let i = 0; i < characters.length; i += PIECE_CHARS) cut.push(characters.slice(i, i + PIECE_CHARS).join(""));
  return cut;
}

/** Sends what is left of the text: at once, or piece by piece as a language model would. */
function send(mine, begunAt = performance.now(), sent = 0) {
  if (mine !== turn || !line.up || !mine.open || mine.ended || mine.stoppedAtMs !== null) return;
  while (mine.next < mine.pieces.length) {
    // By the clock since the beginning, so that a timer that is late does not slow it down.
    const dueIn = begunAt + sent * mine.pauseMs - performance.now();
    if (dueIn > 1) {
      setTimeout(send, dueIn, mine, begunAt, sent);
      return;
    }
    const text = mine.pieces[mine.next];
    mine.firstTextAt ??= performance.now();
    line.send({ type: "text", id: mine.id, text });
    mine.next += 1;
    sent += 1;
    showSent(mine, text);
  }
  mine.ended = true;
  line.send({ type: "end", id: mine.id });
}

function showSent(mine, text) {
  const characters = Array.from(text);
  mine.sentChars += characters.length;
  const shown = transcript.text.length;
  if (mine.sentChars > shown) transcript.add(characters.slice(shown - mine.sentChars));
}

function stop() {
  if (!turn?.playing) return;
  turn.stoppedAtMs = Math.round(loudspeaker.heardS() * 1000);
  loudspeaker.begin();
  line.send({ type: "cancel", id: turn.id, played_ms: turn.stoppedAtMs });
  finish();
  if (!line.up || turn.forgotten) cancelled(transcript.heard(turn.stoppedAtMs));
}

/** Nothing more of the turn is played. */
function finish() {
  turn.playing = false;
  transcript.end(turn.stoppedAtMs ?? Infinity);
  $("stop").disabled = true;
}

// What the server says.

function audio(message) {
  const header = new DataView(message, 0, HEADER_BYTES);
  const [flags, stream, seq] = [header.getUint8(1), header.getUint16(2, true), header.getUint32(4, true)];
  if (!turn?.playing || stream !== turn.stream || seq <= turn.seq) return;
  turn.seq = seq;
  const integers = new Int16Array(message, HEADER_BYTES);
  turn.samples += integers.length;
  $("length").value = (turn.samples / RATE_HZ).toFixed(1);
  if (integers.length) loudspeaker.play(Float32Array.from(integers, (value) => value / 32767));
  if (flags & FLAG_LAST) loudspeaker.finish();
}

function event(event) {
  if (!turn || event.id !== turn.id) {
    if (event.type === "error" && event.fatal) notice(event.message);
    return;
  }
  if (event.type === "started") turn.stream = event.stream;
  else if (event.type === "words") transcript.say(event.words);
  else if (event.type === "warning") notice(event.message);
  else if (event.type === "done") turn.open = false;
  else if (event.type === "cancelled") {
    turn.open = false;
    cancelled(event);
  } else if (event.type === "error" && turn.stoppedAtMs === null) failed(event.message);
}

function cancelled({ text_spoken, text_remaining }) {
  $("spoken").textContent = text_spoken.trim() || "nothing";
  $("remaining").textContent = text_remaining.trim() || "nothing";
  $("heard").hidden = false;
}

function failed(message) {
  turn.open = false;
  notice(message);
  loudspeaker.finish(); // what has come is still played
}

// What the loudspeaker says.

function heardOf({ audible, underruns, ended }) {
  if (audible !== undefined) {
    $("first").value = String(Math.max(0, Math.round(loudspeaker.heardAtMs(audible) - turn.firstTextAt)));
  } else if (underruns !== undefined) {
    $("gaps").value = String(underruns);
    if (turn) turn.underruns = underruns;
  } else if (ended) {
    finish();
    $("played").value = (turn.samples / RATE_HZ).toFixed(1);
    tellPlayed();
  }
}

function light() {
  if (!turn?.playing) return;
  const heardS = loudspeaker.heardS();
  transcript.light(heardS * 1000);
  $("played").value = heardS.toFixed(1);
  requestAnimationFrame(light);
}

function tellPlayed() {
  if (!turn) return;
  const underruns = (turn.underruns ?? 0) - (turn.underrunsTold ?? 0);
  turn.underrunsTold = turn.underruns ?? 0;
  line.send({ type: "played", id: turn.id, ms: Math.round(loudspeaker.heardS() * 1000), underruns });
}

setInterval(() => turn?.playing && tellPlayed(), PLAYED_MS);

// The connection comes and goes.

function up(voices) {
  $("line").textContent = "connected";
  $("line").dataset.state = "up";
  if (!$("notice").hidden && $("notice").dataset.about === "line") notice("");
  $("door").hidden = true;
  const chosen = $("voice").value;
  $("voice").replaceChildren(...voices.map((voice) => new Option(voice, voice, false, voice === chosen)));
  $("speak").disabled = false;
}

function down({ denied, was }) {
  $("speak").disabled = true;
  $("line").dataset.state = "lost";
  if (denied) {
    $("line").textContent = "not let in";
    notice("The server wants a token.", "line");
    $("door").hidden = false;
    $("token").focus();
    return;
  }
  $("line").textContent = "connecting again…";
  if (was) notice("The server went away. Connecting again…", "line");
  else if ($("notice").hidden) notice("The server does not answer. Is it running? Trying again…", "line");
}

/** The last frame that is here, if the turn is not over. */
function have() {
  return turn?.open || turn?.playing ? { [turn.id]: turn.stream === undefined ? undefined : turn.seq } : null;
}

function resumed(open) {
  const received = open.find(({ id }) => id === turn.id);
  if (turn.stoppedAtMs !== null && turn.open) line.send({ type: "cancel", id: turn.id, played_ms: turn.stoppedAtMs });
  else if (received) sendFrom(received.chars, received.ended);
  else if (turn.stream === undefined) {
    start();
    sendFrom(0, false);
  }
}

function sendFrom(chars, ended) {
  const rest = Array.from(turn.pieces.join("")).slice(chars);
  turn.next = turn.pieces.length;
  turn.sentChars = chars;
  if (!ended) {
    turn.pieces = turn.pauseMs ? rest.join("").match(/\s*\S{1,5}|\s+/gu) ?? [] : pieces(rest);
    turn.next = 0;
    turn.ended = false;
    send(turn);
  }
}

/** The server has no memory of the turn; what has come is still played. */
function forgotten() {
  turn.forgotten = true;
  if (turn.open && turn.stoppedAtMs === null) failed("The server does not know this turn any more; the rest of the text was not spoken.");
  turn.open = false;
}

function notice(message, about = "turn") {
  $("notice").textContent = message;
  $("notice").dataset.about = about;
  $("notice").hidden = !message;
}

// What the person does.

$("say").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  speak().catch((error) => notice(`This browser cannot play it: ${error.message}`));
});
$("stop").addEventListener("click", stop);
$("speed").addEventListener("input", () => ($("shown-speed").value = Number($("speed").value).toFixed(1)));
$("door").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  line.token = $("token").value;
  line.open();
});
document.addEventListener("keydown", (pressed) => {
  if (pressed.key === "Escape") stop();
  else if (pressed.key === "Enter" && (pressed.ctrlKey || pressed.metaKey) && !$("speak").disabled) $("say").requestSubmit();
});
if (window.AudioContext) loudspeaker.load();
line.open();
