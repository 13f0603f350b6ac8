// RFC 6749 §5.1 in the contract's words: precedes OpenIddict's ProcessJsonResponse on the routes of /api/identity, which are addresses of its token endpoint.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Profile;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.OAuth.Authorize;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Token;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.Api;

/// <summary>Signs the issue in: OpenIddict makes the tokens.</summary>
internal sealed class TokensResult(TokenIssue issue, IReadOnlyList<string>? recoveryCodes = null) : IActionResult
{
    public Task ExecuteResultAsync(ActionContext context)
    {
        var http = context.HttpContext;
        var transaction = http.Features.Get<OpenIddictServerAspNetCoreFeature>()?.Transaction
            ?? throw new InvalidOperationException($"{http.Request.Path} is no address of the token endpoint: add it to {nameof(FirstPartyClient)}.{nameof(FirstPartyClient.TokenRoutes)}.");
        if (recoveryCodes is not null)
        {
            http.Features.Set(new NewRecoveryCodes(recoveryCodes));
        }

        return http.SignInAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme, issue.SignIn(transaction));
    }
}

/// <summary>What goes into the answer beside the tokens.</summary>
internal sealed record NewRecoveryCodes(IReadOnlyList<string> Codes);

/// <summary>The metadata of the answer's user, where it was read before anything was used up.</summary>
internal sealed record MetadataOfAnswer(JsonObject Metadata);

/// <summary>Writes the tokens and their user as the contract has them.</summary>
internal sealed class ContractAnswer(IMetadataStore metadata, TimeProvider timeProvider) : IOpenIddictServerHandler<ApplyTokenResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyTokenResponseContext>()
        .AddFilter<RequireTokenRoute>()
        .UseScopedHandler<ContractAnswer>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.AttachHttpResponseCode<ApplyTokenResponseContext>.Descriptor.Order - 500)
        .Build();

    public async ValueTask HandleAsync(ApplyTokenResponseContext context)
    {
        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        context.HandleRequest();
        if (TokenIssue.Of(context.Transaction) is not { Grant: { } grant } issue
            || !string.IsNullOrEmpty(context.Error)
            || issue.Person?.Account is not { } account)
        {
            await Failure.OfStatus(StatusCodes.Status401Unauthorized).WriteAsync(http);
            return;
        }

        // A fresh sign-in has its whole life before it, however long its answer took.
        var from = issue.IsRefresh ? timeProvider.GetUtcNow() : AuthorizationGrant.BeganAt(issue.GrantId);
        var tokens = new TokensResponse(
            context.Response.AccessToken!,
            context.Response.RefreshToken!,
            "Bearer",
            context.Response.ExpiresIn ?? 0,
            (long)Math.Round((issue.RefreshExpiresAt!.Value - from).TotalSeconds),
            grant.SessionId,
            UserResponse.Of(account, http.Features.Get<MetadataOfAnswer>()?.Metadata ?? await metadata.FindAsync(account.Id, context.CancellationToken)))
        {
            RecoveryCodes = http.Features.Get<NewRecoveryCodes>()?.Codes,
        };
        object answer = http.Request.Path.Value!.EndsWith("/otp/verify", StringComparison.OrdinalIgnoreCase) ? new VerifiedAndSignedInResponse(tokens) : tokens;
        http.Response.StatusCode = http.RequestServices.GetRequiredService<IOptions<CompatibilityOptions>>().Value.PostStatus;
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.Headers.CacheControl = "no-store";
        await http.Response.WriteAsync(JsonSerializer.Serialize(answer, answer.GetType(), ContractJson.Options), context.CancellationToken);
    }
}

/// <summary>One of the routes of /api/identity that hand out tokens.</summary>
internal sealed class RequireTokenRoute : IOpenIddictServerHandlerFilter<BaseContext>
{
    public ValueTask<bool> IsActiveAsync(BaseContext context) => new(FirstPartyClient.IsTokenRoute(context.Transaction.GetHttpRequest()!.Path));
}
