// Shows this server's OpenAPI document with Swagger UI, which is loaded after this script.

// Swagger UI encodes names and passwords with it, and RFC 7617 lets our server ask for UTF-8
const toBase64 = window.btoa.bind(window);
window.btoa = (text) => toBase64(String.fromCodePoint(...new TextEncoder().encode(text)));

// the page is at PREFIX/docs, and the API below PREFIX
const prefix = new URL(".", document.baseURI).href;

async function show() {
  const answer = await fetch(`${prefix}openapi.json`);
  if (!answer.ok) {
    throw new Error(`openapi.json: ${answer.status}`);
  }
  const spec = await answer.json();
  spec.servers = [{ url: prefix.replace(/\/$/, "") }];
  window.SwaggerUIBundle({
    spec,
    domNode: document.getElementById("reference"),
    deepLinking: true,
    // it would send the document's address to another server
    validatorUrl: null,
    requestInterceptor(request) {
      // with credentials, the browser would ask for a password itself after a 401
      request.credentials = "omit";
      return request;
    },
  });
}

document.addEventListener("DOMContentLoaded", () => {
  show().catch((error) => {
    document.getElementById("state").textContent = `The API reference can't be shown. ${error}`;
  });
});
