// RFC 7800 §3.1, RFC 8705 §3.1, RFC 9449 §6.1: what a token is bound to.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;

namespace Identity.OAuth.Tokens;

/// <summary>A <c>cnf</c> claim. A token that names both needs both.</summary>
/// <param name="Certificate">base64url of the SHA-256 of a certificate; null: of none.</param>
/// <param name="Key">RFC 7638 thumbprint of a key that proofs are signed with (RFC 9449); null: of none.</param>
public sealed record Confirmation(string? Certificate, string? Key)
{
    private const string KeyMember = "jkt";

    /// <summary>Null for anything else than one or both of the two, each a text: what we do not know how to ask for is not let pass.</summary>
    public static Confirmation? Read(JsonNode? claim) =>
        claim is JsonObject { Count: > 0 } members && members.All(member => member.Key is ClientCertificate.ThumbprintMember or KeyMember && member.Value?.GetValueKind() == JsonValueKind.String)
            ? new((string?)members[ClientCertificate.ThumbprintMember], (string?)members[KeyMember])
            : null;

    public JsonObject Write()
    {
        var claim = new JsonObject();
        if (Certificate is not null)
        {
            claim[ClientCertificate.ThumbprintMember] = Certificate;
        }

        if (Key is not null)
        {
            claim[KeyMember] = Key;
        }

        return claim;
    }

    /// <summary>Whether it is bound to no certificate, or to this one.</summary>
    public bool IsMetBy(X509Certificate2? certificate) => Certificate is null || (certificate is not null && Same(Certificate, ClientCertificate.Thumbprint(certificate)));

    /// <summary>Whether it is bound to no key, or to the one of this thumbprint.</summary>
    public bool IsMetBy(string? key) => Key is null || (key is not null && Same(Key, key));

    private static bool Same(string one, string other) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), Encoding.UTF8.GetBytes(other));
}
