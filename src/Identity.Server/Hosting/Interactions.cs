// OpenID Connect Core §3.1.2.1 (prompt, max_age): what happened because of a request, carried with it and protected against change.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Server.Hosting;

/// <summary>
/// Writes and reads the <c>interaction</c> parameter. It is bound to the other parameters and to the browser: on another request, and in another browser,
/// it is worth nothing. Else somebody could send their own no around, and all who open it would pass through here, unseen, to a client (RFC 9700 §4.11.2).
/// </summary>
public sealed class Interactions(IDataProtectionProvider protection, BrowserMark mark, TimeProvider timeProvider)
{
    public const string Parameter = "interaction";
    private const string AuthorizePath = "/" + ProtocolEndpoints.Authorization;
    private const string VerifyPath = "/" + ProtocolEndpoints.EndUserVerification;
    private readonly IDataProtector _protector = protection.CreateProtector("identity.interaction.v1");

    // Browser: the mark of the one whose person it was.
    private sealed record Ticket(DateTimeOffset StartedAt, string Request, DateTimeOffset? DeniedAt, string? Browser);

    /// <summary>The authorize url of this request with a note of when its interaction began, and in which browser.</summary>
    public string ReturnUrl(HttpContext context, RequestParameters parameters, DateTimeOffset startedAt) => Write(context, AuthorizePath, Pairs(parameters), startedAt);

    /// <summary>The address of the page for devices, with a note of when its interaction began.</summary>
    /// <param name="context">The request: the note counts in its browser alone.</param>
    /// <param name="userCode">The code, where it is known; null: it is still to be typed.</param>
    /// <param name="startedAt">To be carried along.</param>
    public string VerifyUrl(HttpContext context, string? userCode, DateTimeOffset startedAt) =>
        Write(context, VerifyPath, userCode is null ? [] : [KeyValuePair.Create("user_code", userCode)], startedAt);

    /// <summary>What the request carries; null: nothing, or nothing of ours and of this browser.</summary>
    public Interaction? Read(RequestParameters parameters, HttpContext context) =>
        Open(parameters, context) is { } ticket && (ticket.DeniedAt is null || timeProvider.GetUtcNow() - ticket.DeniedAt <= Interaction.Longest)
            ? new Interaction(ticket.StartedAt, ticket.DeniedAt is not null)
            : null;

    /// <summary>True where the validated url leads back to a request of an application or a device: whether somebody has to sign in for it, though signed in, is judged there.</summary>
    public bool IsRequest(string returnUrl) => CanDecline(returnUrl) || returnUrl.StartsWith(VerifyPath + "?", StringComparison.Ordinal);

    /// <summary>True where the validated url leads back to an authorization request, which can then be declined.</summary>
    public bool CanDecline(string returnUrl) => returnUrl.StartsWith(AuthorizePath + "?", StringComparison.Ordinal);

    /// <summary>The same request, with the note that the person said no: for an hour, in this browser, the client gets <c>access_denied</c>.</summary>
    public string Decline(HttpContext context, string returnUrl)
    {
        // Also a no counts only where the request came in time.
        var before = Parse(returnUrl) is { } parameters ? Open(parameters, context) : null;
        var pairs = QueryHelpers.ParseQuery(returnUrl[AuthorizePath.Length..])
            .Where(pair => pair.Key != Parameter)
            .SelectMany(pair => pair.Value.Select(value => KeyValuePair.Create(pair.Key, value ?? "")))
            .Where(pair => pair.Value.Length > 0)
            .ToArray();
        return Write(context, AuthorizePath, pairs, before?.StartedAt ?? DateTimeOffset.UnixEpoch, timeProvider.GetUtcNow());
    }

    /// <summary>What already happened because of this request; null: nothing, or the note is not ours, or not of this request and browser.</summary>
    public Interaction? Read(string returnUrl, HttpContext context) => Parse(returnUrl) is { } parameters ? Read(parameters, context) : null;

    private RequestParameters? Parse(string returnUrl) =>
        IsRequest(returnUrl) && RequestParameters.Read(QueryHelpers.ParseQuery(returnUrl[returnUrl.IndexOf('?', StringComparison.Ordinal)..]).Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).TryGet(out var parameters, out _)
            ? parameters
            : null;

    private Ticket? Open(RequestParameters parameters, HttpContext context)
    {
        if (parameters[Parameter] is not { } value)
        {
            return null;
        }

        try
        {
            var ticket = JsonSerializer.Deserialize<Ticket>(_protector.Unprotect(value))!;
            return ticket.Request == Hash(Pairs(parameters)) && ticket.Browser == mark.Of(context) ? ticket : null;
        }
        catch (Exception exception) when (exception is CryptographicException or JsonException)
        {
            return null;
        }
    }

    private static KeyValuePair<string, string>[] Pairs(RequestParameters parameters) =>
        [.. parameters.Names.Where(name => name != Parameter).SelectMany(name => parameters.All(name).Select(value => KeyValuePair.Create(name, value)))];

    private string Write(HttpContext context, string path, KeyValuePair<string, string>[] pairs, DateTimeOffset startedAt, DateTimeOffset? deniedAt = null)
    {
        mark.Keep(context);
        var ticket = _protector.Protect(JsonSerializer.Serialize(new Ticket(startedAt, Hash(pairs), deniedAt, mark.Of(context))));
        return path + "?" + string.Join('&', pairs.Append(KeyValuePair.Create(Parameter, ticket)).Select(pair => Uri.EscapeDataString(pair.Key) + "=" + Uri.EscapeDataString(pair.Value)));
    }

    private static string Hash(IEnumerable<KeyValuePair<string, string>> pairs)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal).ThenBy(pair => pair.Value, StringComparer.Ordinal))
        {
            text.Append(name.Length).Append(':').Append(name).Append(value.Length).Append(':').Append(value);
        }

        return Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
