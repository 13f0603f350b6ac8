// Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022): the code from the mail is confirmed by whoever registered.
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace Identity.Api;

/// <summary>
/// A header of the answer to a registration, which a client sends back with the code: for those that confirm an address before anybody signs in, and
/// so have no token to show. For an hour, encrypted and signed; without the code it is worth nothing. Pages have a cookie for the same.
/// </summary>
public sealed class RegistrationProof(IDataProtectionProvider protection, TimeProvider timeProvider)
{
    public const string Header = "Registration-Ticket";

    private const int Longest = 1000;
    private static readonly TimeSpan s_lifetime = TimeSpan.FromHours(1);
    private readonly IDataProtector _protector = protection.CreateProtector("identity.api-registration.v1");

    /// <summary>Also for an account that was made up, so that the answers look alike.</summary>
    public void Give(HttpResponse response, Guid accountId)
    {
        ArgumentNullException.ThrowIfNull(response);
        response.Headers[Header] = _protector.Protect(string.Create(CultureInfo.InvariantCulture, $"{accountId:N}/{(timeProvider.GetUtcNow() + s_lifetime).ToUnixTimeSeconds()}"));
    }

    /// <summary>The account that this caller registered; null: none within the hour.</summary>
    public Guid? Read(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Headers[Header] is not [{ Length: > 0 and < Longest } ticket])
        {
            return null;
        }

        try
        {
            return _protector.Unprotect(ticket).Split('/') is [var id, var until] && long.Parse(until, CultureInfo.InvariantCulture) > timeProvider.GetUtcNow().ToUnixTimeSeconds() ? Guid.ParseExact(id, "N") : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
