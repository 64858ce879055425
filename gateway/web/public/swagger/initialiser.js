// Starts Swagger UI on /docs; a file of its own because the Content-Security-Policy allows no inline script.
window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger",
    deepLinking: true,
    // The validator badge would send the document's address to another host.
    validatorUrl: null,
  });
});
