// RFC 6749 §4.1.1 and OpenID Connect Core §3.1.2.1: an authorization request that was found to be sound.
using Identity.OAuth.Clients;
using Identity.OAuth.Sessions;
using Microsoft.AspNetCore;
using OpenIddict.Server;

namespace Identity.OAuth.Authorize;

/// <summary>What happened because of this very request, in this browser: it cannot be seen from the session. The host protects it against change and other browsers.</summary>
/// <param name="StartedAt">When the request first led to a page.</param>
/// <param name="Denied">The person said no, not long ago.</param>
public sealed record Interaction(DateTimeOffset StartedAt, bool Denied)
{
    /// <summary>As long as somebody may take at the pages: a registration, with a code by mail.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromHours(1);

    /// <summary>What a request came as may live shorter than that: so long it counts as it was at the start.</summary>
    public bool IsUnderWay(DateTimeOffset now) => now - StartedAt <= Longest;

    internal static Interaction? Of(OpenIddictServerTransaction transaction) =>
        transaction.GetProperty<Interaction>(typeof(Interaction).FullName!) ?? transaction.GetHttpRequest()?.HttpContext.Features.Get<Visitor>()?.Interaction;

    internal void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(Interaction).FullName!, this);
}

/// <summary>Who is there. The host puts it on the request before OpenIddict looks at it.</summary>
/// <param name="Session">The live sign-in session of this browser; null: nobody is signed in.</param>
/// <param name="Interaction">What already happened because of this request; null: nothing.</param>
public sealed record Visitor(SessionInfo? Session, Interaction? Interaction);

/// <summary>A sound request.</summary>
public sealed record AuthorizeRequest
{
    public required Client Client { get; init; }

    public required RedirectTarget Redirect { get; init; }

    public required IReadOnlyList<string> Scopes { get; init; }

    public required IReadOnlyList<string> Resources { get; init; }

    /// <summary>As sent; null: none was.</summary>
    public string? RedirectUri { get; init; }

    public string? CodeChallenge { get; init; }

    /// <summary><c>dpop_jkt</c> (RFC 9449 §10).</summary>
    public string? DPoPKey { get; init; }

    public string? Nonce { get; init; }

    public required IReadOnlyList<string> Prompts { get; init; }

    /// <summary>Seconds.</summary>
    public int? MaxAge { get; init; }

    /// <summary>Whom the client means, by its id_token_hint or an essential <c>sub</c>; null: anybody.</summary>
    public string? Subject { get; init; }

    public string? LoginHint { get; init; }

    public string? ClaimsParameter { get; init; }

    public required ClaimsRequest Claims { get; init; }

    /// <summary>What the person allows with it: its scopes, and those that stand for the claims it names one by one.</summary>
    public IReadOnlyList<string> ScopesToAllow
    {
        get
        {
            var named = Claims.UserInfo.Keys.Concat(Claims.IdToken.Keys).Where(name => ClaimsByScope.MayBeNamed(name, Client.Scopes)).Select(name => ClaimsByScope.ScopeOf(name)!);
            return [.. Scopes.Union(named, StringComparer.Ordinal)];
        }
    }

    public required IReadOnlyList<string> AcrValues { get; init; }

    /// <summary>OpenID Connect Core §5.5.1.1: one of them must be met; empty: any will do.</summary>
    public required IReadOnlyList<string> EssentialAcr { get; init; }

    /// <summary>The request as it was found sound; null: OpenIddict has not seen one.</summary>
    public static AuthorizeRequest? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<AuthorizeRequest>(typeof(AuthorizeRequest).FullName!);

    internal void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(AuthorizeRequest).FullName!, this);

    public bool Asks(string prompt) => Prompts.Contains(prompt, StringComparer.Ordinal);
}

/// <summary>Where an answer goes and how.</summary>
/// <param name="Uri">A registered redirect URI.</param>
/// <param name="Mode"><c>query</c>, <c>fragment</c>, <c>form_post</c> (OAuth 2.0 Form Post Response Mode), or a signed one of them (JARM).</param>
/// <param name="State">As sent.</param>
public sealed record RedirectTarget(string Uri, string Mode, string? State);
