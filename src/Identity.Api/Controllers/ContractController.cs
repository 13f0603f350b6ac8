using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Json;
using Identity.OAuth.FirstParty;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Api.Controllers;

/// <summary>What the controllers of /api/identity share: how a success is answered and what is known of the caller.</summary>
[ApiController]
[Produces("application/json")]
[JsonOnly]
public abstract class ContractController : ControllerBase
{
    /// <summary>Where the request comes from.</summary>
    private protected Caller Caller() =>
        new(HttpContext.Connection.RemoteIpAddress?.ToString(), Request.Headers.UserAgent.ToString(), ClientId: FirstPartyClient.ClientId, TakesTokens: true);

    private protected IActionResult Success(object value, int statusCode = StatusCodes.Status200OK)
    {
        // RFC 9111: tokens and people's data are in no cache.
        Response.Headers.CacheControl = "no-store";
        return new ContentResult
        {
            StatusCode = statusCode,
            ContentType = "application/json; charset=utf-8",
            Content = JsonSerializer.Serialize(value, value.GetType(), ContractJson.Options),
        };
    }

    /// <summary>201 with where the user is from now on (RFC 9110 §10.2.2).</summary>
    private protected IActionResult Created(Account account, JsonObject metadata)
    {
        Response.Headers.ETag = UserVersion.Tag(account);
        return MadeAt($"/users/{account.Id:D}", UserResponse.Of(account, metadata));
    }

    /// <summary>201 with where what was made is from now on.</summary>
    /// <param name="path">Below /api/identity.</param>
    /// <param name="value">The answer.</param>
    private protected IActionResult MadeAt(string path, object value)
    {
        Response.Headers.Location = $"{Request.PathBase}{IdentityApiExtensions.Prefix}{path}";
        return Success(value, StatusCodes.Status201Created);
    }

    /// <summary>Who acts, for the audit trail: the account or client of the access token.</summary>
    private protected Caller Actor()
    {
        var token = CallerToken.Of(HttpContext).Token;
        return Caller() with { ClientId = token.ClientId, ActorId = token.Subject };
    }

    /// <summary>A successful POST, with the status that <c>Compatibility:PostStatus</c> asks for.</summary>
    private protected IActionResult Posted(object value) =>
        Success(value, HttpContext.RequestServices.GetRequiredService<IOptions<CompatibilityOptions>>().Value.PostStatus);
}
