// RFC 8628 §3.1: what a device asked for, kept inside its user code, where OpenIddict keeps it encrypted.
using System.Security.Claims;
using System.Text.Json;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Device;

/// <summary>A sound device authorization request.</summary>
/// <param name="ClientId">Whose device it is.</param>
/// <param name="Scopes">What it asks for.</param>
/// <param name="Resources">RFC 8707 resources it names.</param>
public sealed record DeviceRequest(string ClientId, IReadOnlyList<string> Scopes, IReadOnlyList<string> Resources)
{
    private const string ClaimName = "device_request";

    /// <summary>What the user code of this verification request stands for; null: it is wrong, used or expired, or none was sent.</summary>
    public static DeviceRequest? Of(OpenIddictServerTransaction? transaction) =>
        transaction?.GetProperty<ProcessAuthenticationContext>(typeof(ProcessAuthenticationContext).FullName!)?.UserCodePrincipal?.GetClaim(ClaimName) is { } json
            ? JsonSerializer.Deserialize<DeviceRequest>(json)
            : null;

    /// <summary>The same as an authorization request, for who has to be signed in and how is decided by one rule.</summary>
    public AuthorizeRequest AsAuthorizeRequest(Client client)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new()
        {
            Client = client,
            Redirect = new RedirectTarget("", "query", State: null),
            Scopes = Scopes,
            Resources = Resources,
            Prompts = [],
            MaxAge = client.DefaultMaxAge,
            Claims = ClaimsRequest.Empty,
            AcrValues = [],
            EssentialAcr = [],
        };
    }

    /// <summary>Nobody is signed in at the device: the principal has no subject.</summary>
    internal ClaimsPrincipal Principal()
    {
        var identity = new ClaimsIdentity(authenticationType: null, Claims.Name, Claims.Role);
        identity.SetScopes(Scopes);
        identity.SetClaim(ClaimName, JsonSerializer.Serialize(this));
        return new ClaimsPrincipal(identity);
    }

    internal static DeviceRequest? Kept(OpenIddictServerTransaction transaction) => transaction.GetProperty<DeviceRequest>(typeof(DeviceRequest).FullName!);

    internal void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(DeviceRequest).FullName!, this);
}
