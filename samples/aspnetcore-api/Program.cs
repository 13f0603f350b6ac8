// An API behind access tokens: ISSUER and AUDIENCE say whose and for whom.
using System.Security.Claims;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Samples.AspNetCoreApi;

var builder = WebApplication.CreateBuilder(args);
var issuer = builder.Configuration["ISSUER"] ?? "http://localhost:8016";
var audience = builder.Configuration["AUDIENCE"] ?? "https://api.example.com/notes";

builder.Services.AddAuthentication("access_token").AddScheme<AccessTokenOptions, AccessTokenHandler>("access_token", options =>
{
    options.Issuer = issuer;
    options.Audience = audience;
    options.Algorithms = (builder.Configuration["ALGORITHMS"] ?? "ES256").Split(',');
    options.Configuration = new ConfigurationManager<OpenIdConnectConfiguration>(
        issuer + "/.well-known/openid-configuration",
        new OpenIdConnectConfigurationRetriever(),
        // https everywhere but against a server on this machine.
        new HttpDocumentRetriever { RequireHttps = !new Uri(issuer).IsLoopback });
});
builder.Services.AddAuthorizationBuilder()
    .AddPolicy("notes.read", policy => policy.RequireAssertion(context => HasScope(context.User, "notes.read")))
    .AddPolicy("notes.write", policy => policy.RequireAssertion(context => HasScope(context.User, "notes.write")));

var app = builder.Build();
app.MapGet("/notes", (ClaimsPrincipal caller) => new { notes = new[] { "buy milk" }, caller = caller.FindFirstValue("sub") }).RequireAuthorization("notes.read");
app.MapPost("/notes", () => Results.Created("/notes/1", new { id = 1 })).RequireAuthorization("notes.write");
app.Run();

// RFC 9068 §2.2.3: one claim, space-delimited.
static bool HasScope(ClaimsPrincipal caller, string scope) =>
    caller.FindFirstValue("scope")?.Split(' ').Contains(scope, StringComparer.Ordinal) == true;
