// The form that edits a recording: one request, one answer, played and offered by the browser itself.

const PATH = "v1/audio/edits";

export class EditForm {
  constructor(form, token, voice) {
    this.form = form;
    this.token = token;
    this.voice = voice;
    form.addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      this.edit();
    });
  }

  part(id) {
    return this.form.querySelector(`#${id}`);
  }

  async edit() {
    const fields = new FormData();
    fields.append("recording", this.part("recording").files[0]);
    fields.append("transcript", this.part("transcript").value);
    fields.append("text", this.part("changed").value);
    if (this.voice()) fields.append("voice", this.voice());
    this.part("make").disabled = true;
    this.say("editing…");
    try {
      const headers = this.token() ? { Authorization: `Bearer ${this.token()}` } : {};
      const answer = await fetch(PATH, { method: "POST", body: fields, headers });
      if (answer.ok) this.show(await answer.blob(), answer.headers);
      else this.say((await answer.json()).error?.message ?? `refused with status ${answer.status}`);
    } catch (error) {
      this.say(`not edited: ${error.message}`);
    } finally {
      this.part("make").disabled = false;
    }
  }

  show(blob, headers) {
    const result = this.part("result");
    if (result.src) URL.revokeObjectURL(result.src);
    result.src = URL.createObjectURL(blob);
    result.hidden = false;
    const spans = headers.get("x-voiceagent-spans");
    this.say(headers.get("x-voiceagent-notice") || `made anew, in seconds: ${spans}`);
  }

  say(text) {
    this.part("edited").textContent = text;
  }
}
