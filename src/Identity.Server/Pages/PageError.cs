using Identity.OAuth;

namespace Identity.Server.Pages;

/// <summary>
/// Set as a feature by an endpoint that answers a person with an error: it sets the status, writes no body, and the page is shown at its address.
/// </summary>
/// <param name="Error">Shown as small print for the application's developers.</param>
public sealed record PageError(OAuthError Error);
