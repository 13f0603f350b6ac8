// WebAuthn Level 3 §6.1 (authenticator data), §6.5 (attestation), RFC 9053 §7.1.1 (COSE keys): an authenticator in a few lines, for routes that no browser stands before.
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Api;

namespace Identity.Tests.SecondFactors;

/// <summary>A passkey that verified its user.</summary>
public sealed class SoftwarePasskey : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] _id = RandomNumberGenerator.GetBytes(16);
    private string? _user;

    /// <summary>Where the browser says that the frame stands which asked (WebAuthn Level 3 §5.8.1); null: it was no frame.</summary>
    public string? TopOrigin { get; set; }

    public void Dispose() => _key.Dispose();

    /// <summary>The answer to navigator.credentials.create.</summary>
    /// <param name="options">As the server gave them.</param>
    public JsonObject Create(JsonNode options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _user = (string)options["user"]!["id"]!;
        var q = _key.ExportParameters(includePrivateParameters: false).Q;
        byte[] coseKey = [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20, .. q.X!, 0x22, 0x58, 0x20, .. q.Y!];

        // User present, user verified, credential attached.
        byte[] data = [.. Header((string)options["rp"]!["id"]!, 0x45), .. new byte[16], 0x00, (byte)_id.Length, .. _id, .. coseKey];
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)data.Length);
        byte[] attestation = [0xA3, 0x63, .. "fmt"u8, 0x64, .. "none"u8, 0x67, .. "attStmt"u8, 0xA0, 0x68, .. "authData"u8, 0x59, .. length, .. data];
        return Credential(new JsonObject
        {
            ["clientDataJSON"] = Base64Url.EncodeToString(ClientData("webauthn.create", options)),
            ["attestationObject"] = Base64Url.EncodeToString(attestation),
            ["transports"] = new JsonArray("internal"),
        });
    }

    /// <summary>The answer to navigator.credentials.get.</summary>
    /// <param name="options">As the server gave them.</param>
    public JsonObject Get(JsonNode options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var data = Header((string)options["rpId"]!, 0x05);
        var client = ClientData("webauthn.get", options);
        return Credential(new JsonObject
        {
            ["clientDataJSON"] = Base64Url.EncodeToString(client),
            ["userHandle"] = _user,
            ["authenticatorData"] = Base64Url.EncodeToString(data),
            ["signature"] = Base64Url.EncodeToString(_key.SignData([.. data, .. SHA256.HashData(client)], HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)),
        });
    }

    // It counts nothing, as passkeys that are synchronised do.
    private static byte[] Header(string domain, byte flags) => [.. SHA256.HashData(Encoding.UTF8.GetBytes(domain)), flags, 0, 0, 0, 0];

    private byte[] ClientData(string type, JsonNode options)
    {
        var data = new JsonObject { ["type"] = type, ["challenge"] = (string)options["challenge"]!, ["origin"] = ApiServer.Issuer, ["crossOrigin"] = false };
        if (TopOrigin is not null)
        {
            data["topOrigin"] = TopOrigin;
        }

        return Encoding.UTF8.GetBytes(data.ToJsonString());
    }

    private JsonObject Credential(JsonObject response) => new()
    {
        ["id"] = Base64Url.EncodeToString(_id),
        ["rawId"] = Base64Url.EncodeToString(_id),
        ["type"] = "public-key",
        ["authenticatorAttachment"] = "platform",
        ["response"] = response,
        ["clientExtensionResults"] = new JsonObject(),
    };
}
