// A web application that signs people in (OpenID Connect code flow with PKCE): ISSUER, CLIENT_ID and CLIENT_SECRET say where and as whom.
// The handler sends its secret in the form: register the client with "token_endpoint_auth_method": "client_secret_post",
// its redirect_uris with …/signin-oidc and its post_logout_redirect_uris with …/signout-callback-oidc.
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;

var builder = WebApplication.CreateBuilder(args);
var issuer = builder.Configuration["ISSUER"] ?? "http://localhost:8016";

builder.Services.AddAuthentication(options =>
{
    options.DefaultScheme = CookieAuthenticationDefaults.AuthenticationScheme;
    options.DefaultChallengeScheme = OpenIdConnectDefaults.AuthenticationScheme;
}).AddCookie().AddOpenIdConnect(options =>
{
    options.Authority = issuer;
    options.ClientId = builder.Configuration["CLIENT_ID"] ?? "web";
    options.ClientSecret = builder.Configuration["CLIENT_SECRET"];
    options.ResponseType = "code";                  // with PKCE, the handler's default
    options.ResponseMode = "query";
    options.MapInboundClaims = false;
    options.GetClaimsFromUserInfoEndpoint = true;
    options.SaveTokens = true;                      // the ID token goes along at sign-out
    options.Scope.Add("email");
    options.TokenValidationParameters.NameClaimType = "name";
    if (new Uri(issuer).IsLoopback)
    {
        // Plain http, which only a server on this machine speaks: a cookie marked Secure would not come back.
        options.RequireHttpsMetadata = false;
        options.CorrelationCookie.SameSite = options.NonceCookie.SameSite = SameSiteMode.Lax;
        options.CorrelationCookie.SecurePolicy = options.NonceCookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
    }
});
builder.Services.AddAuthorization();

var app = builder.Build();
app.MapGet("/", (ClaimsPrincipal person) => new { sub = person.FindFirstValue("sub"), email = person.FindFirstValue("email") }).RequireAuthorization();
app.MapGet("/signed-out", () => "Signed out.");
app.MapGet("/sign-out", () => Results.Content("<!DOCTYPE html><title>Sign out</title><form method=post><button>Sign out</button></form>", "text/html"));
app.MapPost("/sign-out", () => Results.SignOut(
    new AuthenticationProperties { RedirectUri = "/signed-out" },
    [CookieAuthenticationDefaults.AuthenticationScheme, OpenIdConnectDefaults.AuthenticationScheme]));
app.Run();
