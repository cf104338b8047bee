// The one script: asks the browser for a passkey, where a form says so, and posts the answer with that form.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  const problem = document.getElementById("passkey-problem");
  const tell = (text) => { problem.textContent = text; problem.hidden = false; };
  if (!window.PublicKeyCredential) {
    tell("This browser cannot use passkeys. Use another browser, or an authenticator app.");
    return;
  }
  form.hidden = false;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async (options) => {
    options.challenge = bytes(options.challenge);
    options.user.id = bytes(options.user.id);
    options.excludeCredentials = known(options.excludeCredentials);
    return navigator.credentials.create({ publicKey: options });
  };
  const get = async (options) => {
    options.challenge = bytes(options.challenge);
    options.allowCredentials = known(options.allowCredentials);
    return navigator.credentials.get({ publicKey: options });
  };
  const answer = (key) => {
    const response = { clientDataJSON: text(key.response.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (key.response[part]) response[part] = text(key.response[part]);
    }
    return JSON.stringify({ id: key.id, rawId: text(key.rawId), type: key.type, response, extensions: {} });
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      const body = new URLSearchParams({ csrf: form.elements.csrf.value });
      const asked = await fetch(form.dataset.options, { method: "POST", body, redirect: "error" });
      if (!asked.ok) throw new Error(String(asked.status));
      const { publicKey } = await asked.json();
      const key = await (form.dataset.passkey === "create" ? create : get)(publicKey);
      form.elements.answer.value = answer(key);
      form.submit();
    } catch (error) {
      tell(error.name === "InvalidStateError"
        ? "This device has a passkey for this account already."
        : "There was no passkey, or you stopped. Try once more.");
    }
  });
})();
