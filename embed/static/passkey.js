// Passkeys: asks the browser, puts its answer into the form, and sends that.
"use strict";
(function () {
  var forms = Array.from(document.querySelectorAll("form[data-passkey]"));
  if (!window.PublicKeyCredential || !navigator.credentials) {
    forms.concat(Array.from(document.querySelectorAll("[data-passkey-add]"))).forEach(function (e) { e.hidden = true; });
    Array.from(document.querySelectorAll("[data-passkey-missing]")).forEach(function (p) { p.hidden = false; });
    return;
  }

  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, function (c) { return c.charCodeAt(0); });
  }
  function text(buffer) {
    var raw = "";
    new Uint8Array(buffer).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  // question turns the server's JSON into what the browser takes: binary values as bytes.
  function question(json) {
    var o = JSON.parse(json);
    o.challenge = bytes(o.challenge);
    if (o.user) o.user.id = bytes(o.user.id);
    (o.excludeCredentials || []).concat(o.allowCredentials || []).forEach(function (c) { c.id = bytes(c.id); });
    var prf = o.extensions && o.extensions.prf;
    if (prf && prf.eval) prf.eval.first = bytes(prf.eval.first);
    return o;
  }

  // answer is the reverse. What the PRF gave is a secret of its own and goes into a field of its own.
  function answer(credential) {
    var r = credential.response, out = { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: { clientDataJSON: text(r.clientDataJSON) }, clientExtensionResults: {} };
    if (credential.authenticatorAttachment) out.authenticatorAttachment = credential.authenticatorAttachment;
    ["attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (name) {
      if (r[name]) out.response[name] = text(r[name]);
    });
    if (r.getTransports && r.attestationObject) {
      out.response.transports = r.getTransports();
      delete out.response.authenticatorData;
    }
    var prf = credential.getClientExtensionResults().prf || {};
    if (prf.enabled !== undefined && r.attestationObject) out.clientExtensionResults.prf = { enabled: prf.enabled };
    var first = prf.results && prf.results.first;
    return { credential: JSON.stringify(out), prf: first ? text(first.buffer ? first.buffer.slice(first.byteOffset, first.byteOffset + first.byteLength) : first) : "" };
  }

  // why is one of the texts that the form brings along.
  function why(error, kind, words) {
    switch (error && error.name) {
      case "NotAllowedError": return kind === "create" ? words.sayNotMade : words.sayNoAnswer;
      case "InvalidStateError": return words.sayThere;
      case "SecurityError": return words.sayNotAllowed;
      case "NotSupportedError": case "ConstraintError": return words.sayCannot;
    }
    return words.sayFailed;
  }

  var busy = false;
  document.addEventListener("submit", function (e) {
    var form = e.target, kind = form.dataset && form.dataset.passkey;
    if (!kind) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    if (busy) return;
    busy = true;
    var button = form.querySelector("button"), says = form.querySelector("[data-passkey-says]"), options = { publicKey: question(form.dataset.options) };
    says.hidden = true;
    button.setAttribute("aria-busy", "true");
    (kind === "create" ? navigator.credentials.create(options) : navigator.credentials.get(options)).then(function (credential) {
      var found = answer(credential);
      form.elements.credential.value = found.credential;
      form.elements.prf.value = found.prf;
      HTMLFormElement.prototype.submit.call(form);
    }).catch(function (error) {
      says.textContent = why(error, kind, form.dataset);
      says.hidden = false;
    }).finally(function () {
      busy = false;
      button.removeAttribute("aria-busy");
    });
  }, true);
})();
