// SAML 2.0 Core §3.7, Profiles §4.4 (Single Logout): the provider's requests, and its answers to ours.
using System.Security.Cryptography;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>Reads messages of single logout.</summary>
internal sealed class SamlLogout(SamlServiceProvider self, SamlSignatures signatures, SamlResponses responses, TimeProvider timeProvider)
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    /// <summary>Whose sessions are to end.</summary>
    /// <param name="Id">Of the request.</param>
    /// <param name="NameId">Whose.</param>
    /// <param name="SessionIndexes">Which of them; none: all (Core §3.7.1).</param>
    /// <param name="ExpiresAt">From when the request would be refused for its age.</param>
    public sealed record Request(string Id, SamlNameId NameId, IReadOnlyList<string> SessionIndexes, DateTimeOffset ExpiresAt);

    /// <param name="message">As it came.</param>
    /// <param name="isPost">By POST, where the signature is in the message; else it is in the query.</param>
    /// <param name="query">As it came, to the byte.</param>
    /// <param name="keys">The provider's.</param>
    /// <exception cref="ExternalRefusal">It is not to be obeyed; one that is not signed never is.</exception>
    public Request ReadRequest(string message, bool isPost, string query, IReadOnlyList<AsymmetricAlgorithm> keys)
    {
        var xml = isPost ? SamlXml.FromBase64(message, Refused) : SamlXml.Inflate(signatures.VerifyQuery(query, "SAMLRequest", keys), Refused);
        var root = Root(xml, "LogoutRequest");
        if (isPost && !signatures.Verify(root, keys))
        {
            throw Refused("unsigned", "the message is not signed; have the provider sign what it sends here (docs/openam.md)");
        }

        responses.CheckIssuer(SamlXml.Child(root, "Issuer", SamlNames.Assertion, Refused) ?? throw Refused("iss", "the message names no issuer"));
        if (SamlXml.Attribute(root, "Destination") != self.LogoutUrl)
        {
            throw Refused("destination", "the message was sent to another address than ours");
        }

        var now = timeProvider.GetUtcNow();
        if (SamlXml.Time(root, "IssueInstant", Refused) is not { } issued || issued > now + responses.Skew || issued + Longest <= now - responses.Skew || SamlXml.Time(root, "NotOnOrAfter", Refused) <= now - responses.Skew)
        {
            throw Refused("time", "the request is old, or of the future");
        }

        if (SamlXml.Attribute(root, "ID") is not { Length: > 0 and <= 500 } id)
        {
            throw Refused("xml", "the request has no ID");
        }

        var nameId = responses.NameId(root) ?? throw Refused("nameid", "the request names nobody");
        return new Request(id, nameId, [.. SamlXml.Children(root, "SessionIndex", SamlNames.Protocol).Select(index => index.InnerText.Trim())], issued + Longest + responses.Skew + responses.Skew);
    }

    /// <summary>Not verified: OpenAM does not sign it, and nothing is done for it.</summary>
    public static (string InResponseTo, bool Succeeded) ReadResponse(string message, bool isPost)
    {
        var root = Root(isPost ? SamlXml.FromBase64(message, Refused) : SamlXml.Inflate(message, Refused), "LogoutResponse");
        var code = SamlXml.Child(root, "Status", SamlNames.Protocol, Refused) is { } status ? SamlXml.Child(status, "StatusCode", SamlNames.Protocol, Refused)?.GetAttribute("Value") : null;
        return SamlXml.Attribute(root, "InResponseTo") is { Length: > 0 and <= 200 } request ? (request, code == SamlNames.Success) : throw Refused("in_response_to", "the message answers no request");
    }

    private static XmlElement Root(string xml, string name)
    {
        var root = SamlXml.Read(xml, Refused).DocumentElement!;
        return SamlXml.Is(root, name, SamlNames.Protocol) && root.GetAttribute("Version") == "2.0" ? root : throw Refused("xml", $"the message is no SAML 2.0 {name}");
    }

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);
}
