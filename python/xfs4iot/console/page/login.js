// Logging in, with a token or with a name and a password.

import { h, newId, put } from "./dom.js";
import { t } from "./words.js";

async function post(path, content) {
  return fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
}

export const logOut = () => post("logout", {});

export class LoginView extends HTMLElement {
  show({ possible, ended, done }) {
    if (!possible) {
      put(this, h("main", { class: "login" }, h("h1", {}, t("title")), h("p", { class: "problem" }, t("noLogin"))));
      return;
    }
    const [name, secret] = [newId(), newId()];
    const problem = h("p", { class: "problem", role: "alert" }, ended ? t("loginEnded") : null);
    const who = h("input", { id: name, type: "text", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
    const what = h("input", { id: secret, type: "password", autocomplete: "current-password", required: true });
    const button = h("button", { class: "primary", type: "submit" }, t("logIn"));
    put(this, h("main", { class: "login" }, h("form", { onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      const answer = await post("login", { name: who.value, secret: what.value }).catch(() => null);
      what.value = "";
      button.disabled = false;
      if (answer?.ok) return done();
      problem.textContent = t(answer?.status === 429 ? "tooManyTrials" : answer ? "wrongLogin" : "notConnected");
      return what.focus();
    } },
      h("h1", {}, t("title")), h("p", { class: "faint" }, t("loginHelp")),
      h("label", { for: name }, t("name")), who, h("label", { for: secret }, t("secret")), what, problem, button)));
    who.focus();
  }
}

customElements.define("login-view", LoginView);
