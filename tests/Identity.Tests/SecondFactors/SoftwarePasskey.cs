// WebAuthn Level 3 §6.1 (authenticator data), §6.5 (attestation), RFC 9053 §7.1.1 (COSE keys): an authenticator in a few lines, for routes that no browser stands before.
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Api;

namespace Identity.Tests.SecondFactors;

/// <summary>What a passkey and its browser say, before it is signed and sent: whatever a test changes here is a lie that is soundly put together.</summary>
public sealed class PasskeyWords
{
    /// <summary>WebAuthn §6.1: 1 user present, 4 user verified, 8 may be backed up, 16 is backed up, 64 a credential is attached.</summary>
    public required byte Flags { get; set; }

    public required string Domain { get; set; }

    /// <summary>Nothing is counted, as passkeys that are synchronised do.</summary>
    public uint Counter { get; set; }

    public required byte[] Id { get; set; }

    /// <summary>The key's algorithm as CBOR writes it: ES256.</summary>
    public byte Algorithm { get; set; } = 0x26;

    /// <summary>The credential stands in the answer, whatever the flag says.</summary>
    public bool Attaches { get; set; } = true;

    /// <summary>Comes after what belongs there.</summary>
    public byte[] Rest { get; set; } = [];

    public required JsonObject Client { get; init; }

    /// <summary>Changes the client data once it is text.</summary>
    public Func<string, string> Rewrite { get; set; } = text => text;

    public string? Handle { get; set; }

    /// <summary>Whose key signs.</summary>
    public required SoftwarePasskey Signer { get; set; }
}

/// <summary>A passkey that verified its user.</summary>
public sealed class SoftwarePasskey : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>What the account is called among those of its authenticator.</summary>
    public string? Handle { get; private set; }

    public byte[] Id { get; } = RandomNumberGenerator.GetBytes(16);

    /// <summary>Where the browser says that the frame stands which asked (WebAuthn Level 3 §5.8.1); null: it was no frame.</summary>
    public string? TopOrigin { get; set; }

    public void Dispose() => _key.Dispose();

    /// <summary>The answer to navigator.credentials.create.</summary>
    /// <param name="options">As the server gave them.</param>
    /// <param name="lie">Changes what is said.</param>
    public JsonObject Create(JsonNode options, Action<PasskeyWords>? lie = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        Handle = (string)options["user"]!["id"]!;
        var words = Words("webauthn.create", 0x45, (string)options["rp"]!["id"]!, options);
        lie?.Invoke(words);
        var q = _key.ExportParameters(includePrivateParameters: false).Q;
        byte[] coseKey = [0xA5, 0x01, 0x02, 0x03, words.Algorithm, 0x20, 0x01, 0x21, 0x58, 0x20, .. q.X!, 0x22, 0x58, 0x20, .. q.Y!];
        byte[] credential = words.Attaches ? [.. new byte[16], .. Length(words.Id), .. words.Id, .. coseKey] : [];
        byte[] data = [.. Header(words), .. credential, .. words.Rest];
        byte[] attestation = [0xA3, 0x63, .. "fmt"u8, 0x64, .. "none"u8, 0x67, .. "attStmt"u8, 0xA0, 0x68, .. "authData"u8, 0x59, .. Length(data), .. data];
        return Credential(words, new JsonObject
        {
            ["clientDataJSON"] = Base64Url.EncodeToString(ClientData(words)),
            ["attestationObject"] = Base64Url.EncodeToString(attestation),
            ["transports"] = new JsonArray("internal"),
        });
    }

    /// <summary>The answer to navigator.credentials.get.</summary>
    /// <param name="options">As the server gave them.</param>
    /// <param name="lie">Changes what is said.</param>
    public JsonObject Get(JsonNode options, Action<PasskeyWords>? lie = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var words = Words("webauthn.get", 0x05, (string)options["rpId"]!, options);
        lie?.Invoke(words);
        byte[] data = [.. Header(words), .. words.Rest];
        var client = ClientData(words);
        return Credential(words, new JsonObject
        {
            ["clientDataJSON"] = Base64Url.EncodeToString(client),
            ["userHandle"] = words.Handle,
            ["authenticatorData"] = Base64Url.EncodeToString(data),
            ["signature"] = Base64Url.EncodeToString(words.Signer._key.SignData([.. data, .. SHA256.HashData(client)], HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)),
        });
    }

    private PasskeyWords Words(string type, byte flags, string domain, JsonNode options)
    {
        var client = new JsonObject { ["type"] = type, ["challenge"] = (string)options["challenge"]!, ["origin"] = ApiServer.Issuer, ["crossOrigin"] = false };
        if (TopOrigin is not null)
        {
            client["topOrigin"] = TopOrigin;
        }

        return new() { Flags = flags, Domain = domain, Id = Id, Handle = Handle, Signer = this, Client = client };
    }

    private static byte[] Header(PasskeyWords words)
    {
        Span<byte> counter = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(counter, words.Counter);
        return [.. SHA256.HashData(Encoding.UTF8.GetBytes(words.Domain)), words.Flags, .. counter];
    }

    private static byte[] Length(byte[] bytes) => [(byte)(bytes.Length >> 8), (byte)bytes.Length];

    private static byte[] ClientData(PasskeyWords words) => Encoding.UTF8.GetBytes(words.Rewrite(words.Client.ToJsonString()));

    private static JsonObject Credential(PasskeyWords words, JsonObject response) => new()
    {
        ["id"] = Base64Url.EncodeToString(words.Id),
        ["rawId"] = Base64Url.EncodeToString(words.Id),
        ["type"] = "public-key",
        ["authenticatorAttachment"] = "platform",
        ["response"] = response,
        ["clientExtensionResults"] = new JsonObject(),
    };
}
