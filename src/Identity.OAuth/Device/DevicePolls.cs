// RFC 8628 §3.5: precedes OpenIddict's Protection.ValidateTokenEntry, which knows authorization_pending and no slow_down.
using System.Text.Json;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Device;

/// <summary>
/// A device that asks whether somebody has answered. One that asks sooner than it was told is told to slow down, and has five seconds more to wait from then on.
/// </summary>
internal sealed class DevicePolls(IOpenIddictTokenStore<OAuthToken> tokens, IOptions<OAuthOptions> options, TimeProvider timeProvider) : IOpenIddictServerHandler<ValidateTokenContext>
{
    /// <summary>§3.5.</summary>
    private static readonly TimeSpan Slower = TimeSpan.FromSeconds(5);

    /// <summary>How much a device's timer may be off.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(500);

    // Who loses against another poll of the same device this often is too fast, without it being put down once more.
    private const int Attempts = 10;

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .UseScopedHandler<DevicePolls>()
        .SetOrder(Protection.ValidateTokenEntry.Descriptor.Order - 400)
        .Build();

    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (context.Principal?.HasTokenType(TokenTypeIdentifiers.Private.DeviceCode) != true || context.TokenId is not { Length: > 0 } id)
        {
            return;
        }

        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            if (await tokens.FindByIdAsync(id, context.CancellationToken) is not { } row)
            {
                context.Reject(OAuthErrors.InvalidToken, "The device code is not valid.");
                return;
            }

            // ValidateExpirationDate comes later: a code that nobody answered would be pending for ever.
            var now = timeProvider.GetUtcNow();
            if (row.Status != Statuses.Redeemed && row.ExpirationDate <= now.UtcDateTime)
            {
                context.Reject(OAuthErrors.ExpiredToken, "The device code has expired: ask for another one.");
                return;
            }

            switch (row.Status)
            {
                // Unlike an authorization code it never went through a browser, and devices repeat what they send: what it led to lives on.
                case Statuses.Redeemed:
                    context.Reject(OAuthErrors.InvalidToken, "The device code was used before.");
                    return;

                // Allowed while this request was read: what it stands for now was not read with it.
                case Statuses.Valid when GrantClaim.Read(context.Principal) is null:
                    Pending(context);
                    return;
                case Statuses.Inactive:
                    break;
                default:
                    return;
            }

            var last = row.Properties is { } json ? JsonSerializer.Deserialize<Poll>(json) : null;
            var tooFast = last is not null && now < last.At + last.Interval - Tolerance;
            var next = new Poll(now, (last?.Interval ?? options.Value.DevicePollInterval) + (tooFast ? Slower : TimeSpan.Zero));
            if (!await ((TokenStore)tokens).TryNotePollAsync(row, JsonSerializer.Serialize(next), context.CancellationToken))
            {
                continue;
            }

            if (tooFast)
            {
                break;
            }

            Pending(context);
            return;
        }

        context.Reject(OAuthErrors.SlowDown, "Wait five seconds longer between two requests.");
    }

    private static void Pending(ValidateTokenContext context) => context.Reject(OAuthErrors.AuthorizationPending, "The person has not answered yet.");

    /// <summary>The last time the device asked, and how long it has to wait from then.</summary>
    private sealed record Poll(DateTimeOffset At, TimeSpan Interval);
}
