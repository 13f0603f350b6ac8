// RFC 6749 §4.1.2, OpenID Connect Core §3.1.2: what an authorization request comes to.
using Identity.OAuth.Clients;

namespace Identity.OAuth.Authorize;

/// <summary>The next step. Only the authorize endpoint decides it; pages always return there.</summary>
public abstract record AuthorizeOutcome
{
    private AuthorizeOutcome()
    {
    }

    /// <summary>A page that tells the person: the client or its redirect_uri cannot be trusted, so nothing is sent anywhere.</summary>
    public sealed record ErrorPage(OAuthError Error) : AuthorizeOutcome;

    /// <summary>The client is told.</summary>
    public sealed record Refuse(OAuthError Error) : AuthorizeOutcome;

    /// <summary>The person is there and agrees: a code for this grant.</summary>
    public sealed record Grant(AuthorizationGrant Granted) : AuthorizeOutcome;

    /// <summary>The person is to make an account (Initiating User Registration via OpenID Connect 1.0).</summary>
    public sealed record Register(Client Client, DateTimeOffset StartedAt) : AuthorizeOutcome;

    /// <summary>The person has to sign in, again or for the first time.</summary>
    /// <param name="Client">Whom they come from.</param>
    /// <param name="LoginHint">What the client thinks they are called.</param>
    /// <param name="StartedAt">To be carried in the interaction.</param>
    public sealed record SignIn(Client Client, string? LoginHint, DateTimeOffset StartedAt) : AuthorizeOutcome;

    /// <summary>The person is signed in, and has to prove more: a second factor.</summary>
    public sealed record StepUp(Client Client, DateTimeOffset StartedAt) : AuthorizeOutcome;

    /// <summary>The person is signed in, has to prove more, and has nothing yet to prove it with: a second factor is to be added.</summary>
    /// <param name="Client">Who asks for more.</param>
    /// <param name="PasskeyOnly">Nothing but a passkey will do.</param>
    /// <param name="StartedAt">To be carried in the interaction.</param>
    public sealed record Enrol(Client Client, bool PasskeyOnly, DateTimeOffset StartedAt) : AuthorizeOutcome;

    /// <summary>The person has to say yes or no.</summary>
    /// <param name="Client">Who asks.</param>
    /// <param name="Scopes">All it asks for.</param>
    /// <param name="NewScopes">What was not allowed before.</param>
    /// <param name="Resources">RFC 8707 resources it names.</param>
    /// <param name="StartedAt">To be carried in the interaction.</param>
    public sealed record Consent(Client Client, IReadOnlyList<string> Scopes, IReadOnlyList<string> NewScopes, IReadOnlyList<string> Resources, DateTimeOffset StartedAt) : AuthorizeOutcome;
}
