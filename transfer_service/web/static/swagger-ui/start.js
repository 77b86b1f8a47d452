// Shows /openapi.yaml in the vendored Swagger UI. Cookies travel by themselves; unsafe methods also need their CSRF token.
const mount = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: mount.dataset.description,
  domNode: mount,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: (request) => {
    const cookie = request.url.endsWith("/auth/refresh") ? "csrf_refresh_token" : "csrf_access_token";
    const token = document.cookie.split("; ").find((each) => each.startsWith(`${cookie}=`));
    if (token) request.headers["X-CSRF-TOKEN"] = token.slice(cookie.length + 1);
    return request;
  },
});
