// OpenID Connect Core §3.1.2.1 (prompt, max_age): what happened because of a request, carried with it and protected against change.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Server.Hosting;

/// <summary>Writes and reads the <c>interaction</c> parameter. It is bound to the other parameters: on another request it is worth nothing.</summary>
public sealed class Interactions(IDataProtectionProvider protection) : IInteractions
{
    public const string Parameter = "interaction";
    private const string AuthorizePath = "/connect/authorize";
    private const string VerifyPath = "/connect/verify";
    private readonly IDataProtector _protector = protection.CreateProtector("identity.interaction.v1");

    private sealed record Ticket(DateTimeOffset StartedAt, string Request, bool Denied);

    /// <summary>The authorize url of this request with a note of when its interaction began.</summary>
    public string ReturnUrl(RequestParameters parameters, DateTimeOffset startedAt) => Write(AuthorizePath, Pairs(parameters), startedAt, denied: false);

    public string VerifyUrl(string? userCode, DateTimeOffset startedAt) =>
        Write(VerifyPath, userCode is null ? [] : [KeyValuePair.Create("user_code", userCode)], startedAt, denied: false);

    /// <summary>What the request carries; null: nothing, or nothing of ours.</summary>
    public Interaction? Read(RequestParameters parameters)
    {
        if (parameters[Parameter] is not { } value)
        {
            return null;
        }

        try
        {
            var ticket = JsonSerializer.Deserialize<Ticket>(_protector.Unprotect(value))!;
            return ticket.Request == Hash(Pairs(parameters)) ? new Interaction(ticket.StartedAt, ticket.Denied) : null;
        }
        catch (Exception exception) when (exception is CryptographicException or JsonException)
        {
            return null;
        }
    }

    public bool IsRequest(string returnUrl) => CanDecline(returnUrl) || returnUrl.StartsWith(VerifyPath + "?", StringComparison.Ordinal);

    public bool CanDecline(string returnUrl) => returnUrl.StartsWith(AuthorizePath + "?", StringComparison.Ordinal);

    public string Decline(string returnUrl)
    {
        var pairs = QueryHelpers.ParseQuery(returnUrl[AuthorizePath.Length..])
            .Where(pair => pair.Key != Parameter)
            .SelectMany(pair => pair.Value.Select(value => KeyValuePair.Create(pair.Key, value ?? "")))
            .Where(pair => pair.Value.Length > 0)
            .ToArray();
        return Write(AuthorizePath, pairs, DateTimeOffset.UnixEpoch, denied: true);
    }

    public Interaction? Read(string returnUrl) =>
        IsRequest(returnUrl) && RequestParameters.Read(QueryHelpers.ParseQuery(returnUrl[returnUrl.IndexOf('?', StringComparison.Ordinal)..]).Select(pair => KeyValuePair.Create(pair.Key, (IReadOnlyList<string?>)pair.Value.ToArray()))).TryGet(out var parameters, out _)
            ? Read(parameters)
            : null;

    private static KeyValuePair<string, string>[] Pairs(RequestParameters parameters) =>
        [.. parameters.Names.Where(name => name != Parameter).SelectMany(name => parameters.All(name).Select(value => KeyValuePair.Create(name, value)))];

    private string Write(string path, KeyValuePair<string, string>[] pairs, DateTimeOffset startedAt, bool denied)
    {
        var ticket = _protector.Protect(JsonSerializer.Serialize(new Ticket(startedAt, Hash(pairs), denied)));
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
