// What the pages gain with a script. Every page works without it: nothing here is needed to reach a result.
"use strict";
(function () {
  var root = document.documentElement;
  root.classList.add("js");

  function one(selector, from) { return (from || document).querySelector(selector); }
  function all(selector, from) { return Array.from((from || document).querySelectorAll(selector)); }
  function on(event, handle) { document.addEventListener(event, handle); }

  // word is a text of the page in the person's language; values go in where it has {Name}.
  function word(name, values) {
    var holder = all("[data-words]").find(function (e) { return name in e.dataset; }), text = holder ? holder.dataset[name] : "";
    return text.replace(/\{(\w+)\}/g, function (mark, key) { return values && key in values ? values[key] : mark; });
  }
  // counted is word in the plural form that n takes.
  function counted(name, n, values) {
    var form = new Intl.PluralRules(root.lang || "en").select(n);
    return word(name + form[0].toUpperCase() + form.slice(1), values) || word(name + "Other", values);
  }

  // size and span write like the server does: binary units, whole seconds.
  function size(n) {
    if (n < 1024) return counted("sayBytes", n, { Count: n });
    var units = ["sayKib", "sayMib", "sayGib", "sayTib"], i = -1;
    do { n /= 1024; i++; } while (n >= 1023.95 && i < units.length - 1);
    return word(units[i], { Number: n.toFixed(1).replace(/\.0$/, "").replace(".", word("sayPoint")) });
  }
  function span(seconds) {
    seconds = Math.max(1, Math.round(seconds));
    if (seconds < 60) return word("saySecondsLeft", { Seconds: seconds });
    if (seconds < 3600) return word("sayMinutesLeft", { Minutes: Math.floor(seconds / 60), Seconds: seconds % 60 });
    return word("sayHoursLeft", { Hours: Math.floor(seconds / 3600), Minutes: Math.floor(seconds % 3600 / 60) });
  }

  // A text runs the way of its first letter, as in what the server sends. dir=auto is slow on long lines.
  on("input", function (e) {
    if (e.target.id !== "text") return;
    var letter = /\p{L}/u.exec(e.target.value.slice(0, 4096));
    e.target.dir = letter && /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(letter[0]) ? "rtl" : "ltr";
  });

  // say speaks to a screen reader without moving the focus.
  var voice = document.createElement("div");
  voice.className = "vh";
  voice.setAttribute("role", "status");
  document.body.appendChild(voice);
  function say(text) { voice.textContent = ""; setTimeout(function () { voice.textContent = text; }, 50); }

  // card puts a message of ours where a result would stand. Text only, never markup.
  function card(title, detail, calm) {
    var place = one("#result") || one("#main"), box = document.createElement("div"), head = document.createElement("h2"), p = document.createElement("p");
    box.className = calm ? "card" : "card problem";
    box.tabIndex = -1;
    box.dataset.focus = "";
    head.className = calm ? "state warn" : "state bad";
    head.textContent = title;
    p.textContent = detail;
    box.append(head, p);
    if (place.id === "result") place.replaceChildren(box); else place.prepend(box);
    focusOn(place);
  }
  function focusOn(place) {
    var target = one("[data-focus]", place);
    if (target) { target.focus({ preventScroll: true }); target.scrollIntoView({ block: "nearest" }); }
  }

  // Field errors of an answer are also written beside the fields, which stayed as they were.
  function clearErrors(form) {
    all("[data-made-error]", form).forEach(function (p) { p.remove(); });
    all(".error", form).forEach(function (p) { p.remove(); });
    all("[aria-invalid]", form).forEach(function (field) {
      field.removeAttribute("aria-invalid");
      describe(field, field.id + "-error", false);
    });
  }
  function describe(field, id, add) {
    var ids = (field.getAttribute("aria-describedby") || "").split(" ").filter(function (x) { return x && x !== id; });
    if (add) ids.unshift(id);
    if (ids.length) field.setAttribute("aria-describedby", ids.join(" ")); else field.removeAttribute("aria-describedby");
  }
  function markErrors(place) {
    all("a[data-field]", place).forEach(function (link) {
      var field = document.getElementById(link.dataset.field);
      if (!field || document.getElementById(field.id + "-error")) return;
      var p = document.createElement("p"), row = field.closest(".reveal") || field;
      p.className = "error";
      p.id = field.id + "-error";
      p.textContent = link.textContent.trim();
      row.after(p);
      if (field.matches("input, textarea")) field.setAttribute("aria-invalid", "true");
      describe(field, p.id, true);
      for (var d = field.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    });
  }
  on("click", function (e) {
    var link = e.target.closest("a[data-field]");
    var field = link && document.getElementById(link.dataset.field);
    if (!field) return;
    e.preventDefault();
    for (var d = field.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    var target = field.matches("fieldset") ? one("input:checked", field) || one("input", field) : field;
    target.focus();
  });

  // Copy. navigator.clipboard is there on secure origins only; an onion or local http page needs the old way.
  function oldCopy(text) {
    var area = document.createElement("textarea"), before = document.activeElement;
    area.value = text;
    area.className = "vh";
    area.setAttribute("aria-hidden", "true");
    document.body.appendChild(area);
    area.select();
    var done = document.execCommand("copy");
    area.remove();
    if (before) before.focus({ preventScroll: true });
    return done ? Promise.resolve() : Promise.reject(new Error("refused"));
  }
  on("click", function (e) {
    var button = e.target.closest("[data-copy]"), source = button && document.getElementById(button.dataset.copy);
    if (!source) return;
    var text = "value" in source ? source.value : source.textContent;
    var way = window.isSecureContext && navigator.clipboard ? navigator.clipboard.writeText(text).catch(function () { return oldCopy(text); }) : oldCopy(text);
    way.then(function () { told(button, word("sayCopied")); say(word("sayCopied")); }, function () { told(button, word("sayNotCopied")); say(word("sayCopyYourself")); });
  });
  function told(button, text) {
    if (!button.dataset.was) button.dataset.was = button.textContent;
    button.textContent = text;
    setTimeout(function () { button.textContent = button.dataset.was; }, 2000);
  }

  on("click", function (e) {
    var button = e.target.closest("[data-reveal]"), field = button && document.getElementById(button.dataset.reveal);
    if (field) {
      var shown = field.type === "password";
      field.type = shown ? "text" : "password";
      button.textContent = word(shown ? "sayHide" : "sayShow");
      button.setAttribute("aria-pressed", String(shown));
    }
    button = e.target.closest("[data-all]");
    if (button) {
      var boxes = all("input[type=checkbox]", button.form), some = boxes.some(function (b) { return !b.checked; });
      boxes.forEach(function (b) { b.checked = some; });
      button.textContent = word(some ? "sayChooseNone" : "sayChooseAll");
    }
  });

  on("keydown", function (e) {
    var form = e.target.form;
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && form && form.matches(".verb")) {
      e.preventDefault();
      var button = one("#submit", form);
      if (!button.disabled) form.requestSubmit(button);
    }
  });

  // Password meter: asks the server, which looks at the first 100 characters only and keeps nothing.
  var meterTimer = 0;
  on("input", function (e) {
    if (!e.target.dataset || !e.target.dataset.meter || !window.htmx) return;
    var field = e.target, meter = one(".meter", field.closest(".field:has(.meter)") || document), made = one("#passphrase-field .made");
    if (made && field.value !== made.textContent) made.remove(); // it is no longer the one that is used
    clearTimeout(meterTimer);
    meterTimer = setTimeout(function () {
      if (!meter || !meter.isConnected) return;
      htmx.ajax("POST", "/meter", { source: meter, target: meter, swap: "outerHTML", values: { passphrase: Array.from(field.value).slice(0, 100).join("") } });
    }, 350);
  });

  // Files: drop, list, limits.
  function fileField(form) { return one("input[type=file][name=file]", form); }
  function listFiles(field) {
    var list = one("[data-files]", field.form), limit = Number(field.dataset.maxUpload), total = 0;
    list.replaceChildren.apply(list, Array.from(field.files).map(function (file) {
      var li = document.createElement("li"), name = document.createElement("span"), bytes = document.createElement("span");
      name.textContent = file.name;
      bytes.textContent = size(file.size);
      total += file.size;
      if (limit > 0 && file.size > limit) li.className = "over";
      li.append(name, bytes);
      return li;
    }));
    list.hidden = field.files.length === 0;
    if (field.files.length) say(counted("sayFiles", field.files.length, { Count: field.files.length, Size: size(total) }));
  }
  on("change", function (e) { if (e.target.matches("input[type=file][name=file]")) listFiles(e.target); });
  function carriesFiles(e) { return e.dataTransfer && Array.from(e.dataTransfer.types).includes("Files"); }
  var leave = 0;
  on("dragover", function (e) {
    var zone = carriesFiles(e) && one("[data-drop]");
    if (!zone) return;
    e.preventDefault();
    showFiles(zone);
    zone.classList.add("over");
    clearTimeout(leave);
    leave = setTimeout(function () { zone.classList.remove("over"); }, 200);
  });
  on("drop", function (e) {
    var zone = carriesFiles(e) && one("[data-drop]");
    if (!zone) return;
    e.preventDefault();
    showFiles(zone);
    var field = one("input[type=file]", zone);
    field.files = e.dataTransfer.files;
    listFiles(field);
    field.focus();
  });
  function showFiles(zone) {
    var mode = one("[name=mode][value=files]", zone.closest("form"));
    if (mode) mode.checked = true;
  }

  // tooMuch says before anything is sent what the server would refuse.
  function tooMuch(form) {
    var field = fileField(form), text = one("textarea[name=text]", form);
    var files = usesFiles(form) ? Array.from(field.files) : [];
    var limit = field && Number(field.dataset.maxUpload), left = field && Number(field.dataset.left || -1);
    var total = files.reduce(function (n, file) { return n + file.size; }, 0);
    if (usesFiles(form) && !files.length) return [word("sayNoFile"), word("sayNoFileWhy")];
    if (limit > 0 && total > limit) return [word("sayTooMuch"), word("sayTooMuchWhy", { Size: size(total), Limit: size(limit) })];
    if (left >= 0 && total > left) return [word("sayNoSpace"), word("sayNoSpaceWhy", { Size: size(total), Left: size(left) })];
    var parts = Array.from(new FormData(form).keys()).length, most = Number(form.dataset.maxParts || 0);
    if (most && parts > most && files.length > 1) {
      most -= parts - files.length;
      return [word("sayTooMany"), counted("sayTooManyWhy", most, { Count: most })];
    }
    if (text && !usesFiles(form)) {
      var bytes = new Blob([text.value]).size, max = Number(form.dataset.maxText);
      if (max > 0 && bytes > max) return [word("sayLongText"), word("sayLongTextWhy", { Size: size(bytes), Limit: size(max) })];
    }
    return null;
  }
  function usesFiles(form) {
    var mode = one("[name=mode]:checked", form);
    return Boolean(fileField(form)) && Boolean(mode) && mode.value === "files";
  }

  // Sending: progress, cancel, refusals.
  var sending = null;
  on("htmx:configRequest", function (e) {
    var form = e.detail.elt;
    // htmx adds the form around: the meter is asked about the password alone, never about the text or the files.
    if (form.matches(".meter")) {
      Array.from(new Set(e.detail.formData.keys())).forEach(function (name) { if (name !== "passphrase") e.detail.formData.delete(name); });
    }
    if (!form.matches || !form.matches("form.verb")) return;
    // What is not shown is not sent: a file chosen before the person went back to Text, or the reverse.
    var unused = usesFiles(form) ? "text" : "file";
    e.detail.formData.delete(unused);
    clearErrors(form);
    var refusal = tooMuch(form);
    if (refusal) { e.preventDefault(); card(refusal[0], refusal[1]); }
  });
  on("htmx:beforeSend", function (e) {
    var form = e.detail.elt;
    if (!form.matches("form.verb")) return;
    var box = one("[data-upload]", form);
    sending = { form: form, box: box, start: Date.now(), total: 0, done: false, cancelled: false };
    one("progress", box).value = 0;
    var old = one("#result");
    if (old) old.replaceChildren();
    all(".card.problem").forEach(function (problem) { problem.remove(); }); // what was said of an earlier try
    one("[data-upload-text]", box).textContent = word("sayStarting");
    sending.timer = setTimeout(function () { box.hidden = false; }, usesFiles(form) ? 0 : 600);
  });
  on("htmx:xhr:progress", function (e) {
    var s = sending, d = e.detail;
    if (!s || e.target !== s.form || s.done || !d.lengthComputable || !d.total) return;
    if (s.total && d.total !== s.total) return; // the answer's own progress
    s.total = d.total;
    var seconds = (Date.now() - s.start) / 1000, speed = d.loaded / Math.max(seconds, .001), text = one("[data-upload-text]", s.box);
    one("progress", s.box).value = d.loaded / d.total * 100;
    if (d.loaded >= d.total) {
      s.done = true;
      one("progress", s.box).removeAttribute("value");
      text.textContent = word("saySent", { Size: size(d.total) });
    } else {
      var left = (d.total - d.loaded) / speed, known = seconds > 1 && isFinite(left);
      text.textContent = word(known ? "sayProgressLeft" : "sayProgress", { Done: size(d.loaded), Size: size(d.total), Speed: size(Math.round(speed)), Left: known ? span(left) : "" });
    }
  });
  on("click", function (e) {
    if (!e.target.closest("[data-cancel]") || !sending) return;
    sending.cancelled = true;
    htmx.trigger(sending.form, "htmx:abort");
  });
  function sent() {
    if (!sending) return null;
    var s = sending;
    clearTimeout(s.timer);
    s.box.hidden = true;
    sending = null;
    return s;
  }
  on("htmx:sendAbort", function () {
    var s = sent();
    if (s && s.cancelled) card(word("sayCancelled"), word("sayCancelledWhy"), true);
  });
  on("htmx:sendError", function (e) {
    sent();
    if (e.detail.elt.matches(".meter")) return;
    card(word("sayNoAnswer"), word("sayNoAnswerWhy"));
  });
  on("htmx:timeout", function () { sent(); });

  on("htmx:beforeSwap", function (e) {
    var xhr = e.detail.xhr, type = xhr.getResponseHeader("Content-Type") || "";
    var source = e.detail.requestConfig.elt;
    if (source.matches("form.verb")) sent();
    if (source.matches(".meter") && xhr.status >= 400) { e.detail.shouldSwap = false; return; }
    if (xhr.status >= 400 && type.indexOf("text/html") !== 0) {
      e.detail.shouldSwap = false;
      card(word("sayRefused", { Status: xhr.status }), word("sayRefusedWhy"));
      return;
    }
    // A refusal never replaces the form that was filled in, unless the answer brings the form again.
    if (xhr.status >= 400 && e.detail.target.id === "main" && xhr.responseText.indexOf("<form") < 0 && one("#result")) e.detail.target = one("#result");
    // A redirect was followed: the address bar has to follow too.
    var here = new URL(xhr.responseURL || location.href, location.href);
    if (e.detail.pathInfo && here.pathname !== new URL(e.detail.pathInfo.finalRequestPath, location.href).pathname) {
      e.detail.shouldSwap = false;
      location.assign(here.href);
    }
  });
  on("htmx:afterSettle", function (e) {
    var place = e.detail.target;
    if (place && place.isConnected && (place.id === "result" || place.id === "main")) { markErrors(place); focusOn(place); }
    if (e.detail.elt && e.detail.elt.matches(".saved")) { e.detail.elt.focus(); say(word("saySavedToVault")); }
    if (e.detail.elt && e.detail.elt.id === "passphrase-field") {
      var made = one("#passphrase");
      if (made) made.focus();
      say(word("sayPassphraseMade"));
    }
  });

  // Forms that htmx does not send must not be sent twice either. A download leaves the page as it is.
  on("submit", function (e) {
    var form = e.target;
    if (form.hasAttribute("hx-post") || form.method !== "post") return;
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(function () { delete form.dataset.sent; }, 3000);
  });
  window.addEventListener("pageshow", function () { all("form[data-sent]").forEach(function (f) { delete f.dataset.sent; }); });

  if (one("[data-focus]")) focusOn(document);
})();
