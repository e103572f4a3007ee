"use strict";

// Swagger UI with a small box to sign in. The tokens live in this tab and die with it.
(() => {
  const STORE = "ecommerce_sync.session";
  const SCHEME = "jwtAuth";
  const page = document.getElementById("swagger-ui").dataset;
  const form = document.getElementById("sign-in");
  const signedIn = document.getElementById("signed-in");
  const message = document.getElementById("message");

  const load = () => JSON.parse(sessionStorage.getItem(STORE) || "null");
  const save = (session) => sessionStorage.setItem(STORE, JSON.stringify(session));

  const post = async (url, body) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail || response.statusText);
    return answer;
  };

  const expiresIn = (token) => {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(claims)).exp - Date.now() / 1000;
  };

  const show = (session) => {
    form.hidden = Boolean(session);
    signedIn.hidden = !session;
    document.getElementById("who").textContent = session ? session.name : "";
    if (session) ui.preauthorizeApiKey(SCHEME, session.access);
    else ui.authActions.logout([SCHEME]);
  };

  const forget = (reason) => {
    sessionStorage.removeItem(STORE);
    show(null);
    message.textContent = reason;
  };

  // A refresh token works once: requests that start together share one exchange.
  let exchange = null;
  const renew = (session) => {
    exchange ??= post(page.refresh, { refresh: session.refresh })
      .then((pair) => {
        const renewed = { ...session, ...pair };
        save(renewed);
        show(renewed);
        return renewed;
      })
      .catch((error) => {
        forget(`Please sign in again. ${error.message}`);
        return null;
      })
      .finally(() => {
        exchange = null;
      });
    return exchange;
  };

  const authorise = async (request) => {
    let session = load();
    const ours = new URL(request.url, document.baseURI).origin === location.origin;
    if (session && request.headers.Authorization === `Bearer ${session.access}`) {
      if (expiresIn(session.access) < 20) session = await renew(session);
      if (session) request.headers.Authorization = `Bearer ${session.access}`;
      else delete request.headers.Authorization;
    }
    // Without a token the session of the admin counts, and that needs the CSRF token.
    if (ours && !request.headers.Authorization && !["GET", "HEAD"].includes(request.method)) {
      request.headers[page.csrfHeader] = page.csrfToken;
    }
    return request;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    const name = form.elements.username.value;
    const password = form.elements.password.value;
    try {
      const pair = await post(page.token, { [page.usernameField]: name, password });
      const session = { ...pair, name };
      save(session);
      form.reset();
      show(session);
    } catch (error) {
      message.textContent = error.message;
    }
  });

  document.getElementById("sign-out").addEventListener("click", async () => {
    const session = load();
    forget("");
    if (session) await post(page.blacklist, { refresh: session.refresh }).catch(() => {});
  });

  const ui = SwaggerUIBundle({
    url: page.schema,
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    requestInterceptor: authorise,
    onComplete: () => {
      const session = load();
      if (session) show(session);
    },
  });
})();
