// RFC 9126 §4, RFC 9101 §6: what a request_uri or a request object stands for, for the pages between: they see the address only.
using Microsoft.Extensions.DependencyInjection;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Authorize;

/// <summary>Resolves references to pushed requests, and request objects.</summary>
public sealed class PushedRequests(IServiceScopeFactory scopes, RequestObjects objects)
{
    /// <summary>The parameters themselves where they were pushed or signed, else as given; null: the reference or the object is worth nothing (any more), or is another client's.</summary>
    public async Task<RequestParameters?> ResolveAsync(RequestParameters parameters, Interaction? interaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (RequestObjects.AreIn(parameters["request"], parameters["request_uri"]))
        {
            return (await objects.OpenAsync(parameters, interaction, cancellationToken)).TryGet(out var opened, out _) ? opened.Parameters : null;
        }

        if (parameters["request_uri"] is not { } reference || !RequestObjects.IsPushed(reference))
        {
            return parameters;
        }

        await using var scope = scopes.CreateAsyncScope();
        var transaction = await scope.ServiceProvider.GetRequiredService<IOpenIddictServerFactory>().CreateTransactionAsync();
        interaction?.KeepIn(transaction);
        var context = new ValidateTokenContext(transaction)
        {
            Token = reference[RequestObjects.Pushed.Length..],
            ValidTokenTypes = { TokenTypeIdentifiers.Private.RequestToken },
            CancellationToken = cancellationToken,
        };
        await scope.ServiceProvider.GetRequiredService<IOpenIddictServerDispatcher>().DispatchAsync(context);
        if (context.IsRejected || context.Principal?.GetClaim(Claims.Private.RequestParameters) is not { } json)
        {
            return null;
        }

        using var document = System.Text.Json.JsonDocument.Parse(json);
        var pushed = RequestParameters.Of(new OpenIddictRequest(document.RootElement.Clone()));
        return pushed["client_id"] == parameters["client_id"] ? pushed : null;
    }
}
