using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Credentials;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Api;

/// <summary>Answers that standards give, and our tokens and hashes by the same computation.</summary>
public sealed class KnownAnswerTests(ApiServer server)
{
    /// <summary>RFC 7515 §3.1: independent of the libraries that the server signs with.</summary>
    public static string Hs256(byte[] key, string content) => Base64UrlEncoder.Encode(HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(content)));

    [Fact]
    public void Hs256_WhenTheExampleOfRfc7515A1_GivesItsSignature()
    {
        var key = Base64UrlEncoder.DecodeBytes("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        Assert.Equal(
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            Hs256(key, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"));
    }

    [Fact]
    public async Task PasswordHash_WhenReadByItsFormat_IsPbkdf2OfThePassword()
    {
        // PBKDF2-HMAC-SHA512 as published: password, salt, one iteration.
        Assert.StartsWith("867F70CF1ADE02CFF3752599A3A53DC4AF34C7A669815AE5D513554E1C8CF252", Convert.ToHexString(Pbkdf2("password", "salt"u8.ToArray(), 1, 32)), StringComparison.Ordinal);

        var person = await server.RegisterAsync();
        var stored = await server.Services.GetRequiredService<ICredentialStore>().FindAsync(Guid.Parse(person.Id), TestContext.Current.CancellationToken);
        var bytes = Convert.FromBase64String(stored!.PasswordHash!);

        // ASP.NET Core Identity, format 3: marker, PRF, iterations, salt length, salt, subkey.
        Assert.Equal(1, bytes[0]);
        Assert.Equal(2u, BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(1)));
        var iterations = (int)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(5));
        var saltLength = (int)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(9));
        Assert.Equal(1000, iterations);
        Assert.Equal(16, saltLength);
        var subkey = bytes[(13 + saltLength)..];
        Assert.Equal(subkey, Pbkdf2(person.Password, bytes[13..(13 + saltLength)], iterations, subkey.Length));
    }

    private static byte[] Pbkdf2(string password, byte[] salt, int iterations, int length) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA512, length);
}
