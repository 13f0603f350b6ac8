// RFC 6749 §2.1 and §3.2.1: a refusal that comes after a confidential client has proved itself is no guess at its credentials.
using OpenIddict.Server;

namespace Identity.OAuth.Clients;

/// <summary>Tells whose request was refused.</summary>
public static class ConfidentialClient
{
    private const string Property = "identity.confidential-client";

    /// <summary>
    /// Whether a client that has credentials brought them, and what it was refused for is a grant: that is looked at only once they were right.
    /// </summary>
    public static bool WasProven(OpenIddictServerTransaction transaction)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        return transaction.GetProperty<string>(Property) is not null && transaction.Response?.Error == OAuthErrors.InvalidGrant;
    }

    internal static void Mark(OpenIddictServerTransaction transaction, Client client) => transaction.SetProperty(Property, client.IsPublic ? null : client.ClientId);
}
