// OpenID Connect Core §3.1.2.1 (prompt, max_age): what happened because of a request, carried with it and protected against change.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Requests;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Server.Hosting;

/// <summary>Writes and reads the <c>interaction</c> parameter. It is bound to the other parameters: on another request it is worth nothing.</summary>
public sealed class Interactions(IDataProtectionProvider protection, IBrowserMark mark) : IInteractions
{
    public const string Parameter = "interaction";
    private const string AuthorizePath = "/" + ProtocolEndpoints.Authorization;
    private const string VerifyPath = "/" + ProtocolEndpoints.EndUserVerification;
    private readonly IDataProtector _protector = protection.CreateProtector("identity.interaction.v1");

    // Browser: the mark of the one that presented a pushed request (RFC 9126); null: it was not pushed.
    private sealed record Ticket(DateTimeOffset StartedAt, string Request, bool Denied, string? Browser);

    /// <summary>The authorize url of this request with a note of when its interaction began, and in which browser, where it was pushed: it outlives its minute there alone.</summary>
    public string ReturnUrl(HttpContext context, RequestParameters parameters, DateTimeOffset startedAt)
    {
        if (!RequestObjects.IsPushed(parameters["request_uri"]))
        {
            return Write(AuthorizePath, Pairs(parameters), startedAt);
        }

        mark.Keep(context);
        return Write(AuthorizePath, Pairs(parameters), startedAt, browser: mark.Of(context));
    }

    public string VerifyUrl(string? userCode, DateTimeOffset startedAt) =>
        Write(VerifyPath, userCode is null ? [] : [KeyValuePair.Create("user_code", userCode)], startedAt);

    /// <summary>What the request carries; null: nothing, or nothing of ours.</summary>
    public Interaction? Read(RequestParameters parameters, HttpContext context) =>
        Open(parameters) is { } ticket ? new Interaction(ticket.StartedAt, ticket.Denied, ticket.Browser is { } browser && browser == mark.Of(context)) : null;

    public bool IsRequest(string returnUrl) => CanDecline(returnUrl) || returnUrl.StartsWith(VerifyPath + "?", StringComparison.Ordinal);

    public bool CanDecline(string returnUrl) => returnUrl.StartsWith(AuthorizePath + "?", StringComparison.Ordinal);

    public string Decline(string returnUrl)
    {
        // Also a no counts only where the request came in time.
        var before = Parse(returnUrl) is { } parameters ? Open(parameters) : null;
        var pairs = QueryHelpers.ParseQuery(returnUrl[AuthorizePath.Length..])
            .Where(pair => pair.Key != Parameter)
            .SelectMany(pair => pair.Value.Select(value => KeyValuePair.Create(pair.Key, value ?? "")))
            .Where(pair => pair.Value.Length > 0)
            .ToArray();
        return Write(AuthorizePath, pairs, before?.StartedAt ?? DateTimeOffset.UnixEpoch, denied: true, before?.Browser);
    }

    public Interaction? Read(string returnUrl, HttpContext context) => Parse(returnUrl) is { } parameters ? Read(parameters, context) : null;

    private RequestParameters? Parse(string returnUrl) =>
        IsRequest(returnUrl) && RequestParameters.Read(QueryHelpers.ParseQuery(returnUrl[returnUrl.IndexOf('?', StringComparison.Ordinal)..]).Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).TryGet(out var parameters, out _)
            ? parameters
            : null;

    private Ticket? Open(RequestParameters parameters)
    {
        if (parameters[Parameter] is not { } value)
        {
            return null;
        }

        try
        {
            var ticket = JsonSerializer.Deserialize<Ticket>(_protector.Unprotect(value))!;
            return ticket.Request == Hash(Pairs(parameters)) ? ticket : null;
        }
        catch (Exception exception) when (exception is CryptographicException or JsonException)
        {
            return null;
        }
    }

    private static KeyValuePair<string, string>[] Pairs(RequestParameters parameters) =>
        [.. parameters.Names.Where(name => name != Parameter).SelectMany(name => parameters.All(name).Select(value => KeyValuePair.Create(name, value)))];

    private string Write(string path, KeyValuePair<string, string>[] pairs, DateTimeOffset startedAt, bool denied = false, string? browser = null)
    {
        var ticket = _protector.Protect(JsonSerializer.Serialize(new Ticket(startedAt, Hash(pairs), denied, browser)));
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
