// Shows /openapi.yaml in the vendored Swagger UI; cookies carry the CSRF token that unsafe methods need.
const mount = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: mount.dataset.description,
  domNode: mount,
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    const token = document.cookie.match(/(?:^|; )csrf_access_token=([^;]+)/);
    if (token) request.headers["X-CSRF-TOKEN"] = decodeURIComponent(token[1]);
    return request;
  },
});
