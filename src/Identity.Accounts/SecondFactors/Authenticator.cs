// RFC 6238 (TOTP), RFC 4226 §4 and §5 (secrets of 160 bits), the otpauth key URI: authenticator apps.
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using OtpNet;
using QRCoder;

namespace Identity.Accounts.SecondFactors;

/// <summary>A secret as authenticator apps take it.</summary>
/// <param name="Secret">Base32, to be typed.</param>
/// <param name="Uri">otpauth://totp/…</param>
/// <param name="QrSvg">The URI as a QR code: an SVG of one path, with nothing of a document's style or script.</param>
public sealed record AuthenticatorKey(string Secret, string Uri, string QrSvg);

/// <summary>Six digits of HMAC-SHA-1 every 30 seconds, as every app knows them.</summary>
public sealed class Authenticator(IDataProtectionProvider protection)
{
    /// <summary>RFC 4226 §4: 160 bits.</summary>
    private const int SecretBytes = 20;

    /// <summary>RFC 6238 §5.2: one step behind or ahead; a code that was used is never good again, whatever the drift.</summary>
    private static readonly VerificationWindow Drift = new(previous: 1, future: 1);

    private readonly IDataProtector _protector = protection.CreateProtector("identity.authenticator.v1");

    /// <summary>What an authenticator's row holds.</summary>
    public static string Slot(Guid accountId) => $"totp:{accountId:N}";

    public static byte[] NewSecret() => RandomNumberGenerator.GetBytes(SecretBytes);

    /// <summary>For the store: readable with the key ring alone, which is encrypted under the master key, and for this account alone.</summary>
    public string Protect(Guid accountId, byte[] secret) => Convert.ToBase64String(For(accountId).Protect(secret));

    /// <summary>The time step of a right code; null: it is wrong, or of another time.</summary>
    public long? Match(Guid accountId, string protectedSecret, string code, DateTimeOffset now) => protectedSecret.Length == 0 ? null : Match(For(accountId).Unprotect(Convert.FromBase64String(protectedSecret)), code, now);

    public static long? Match(byte[] secret, string code, DateTimeOffset now) =>
        code.Length == 6 && code.All(char.IsAsciiDigit) && new Totp(secret, step: 30, OtpHashMode.Sha1, totpSize: 6).VerifyTotp(now.UtcDateTime, code, out var step, Drift) ? step : null;

    /// <param name="issuer">Shown beside the account.</param>
    /// <param name="email">What the app calls the account.</param>
    /// <param name="secret">As it is.</param>
    public static AuthenticatorKey Describe(string issuer, string email, byte[] secret)
    {
        var base32 = Base32Encoding.ToString(secret).TrimEnd('=');
        var uri = $"otpauth://totp/{Uri.EscapeDataString(issuer)}:{Uri.EscapeDataString(email)}?secret={base32}&issuer={Uri.EscapeDataString(issuer)}&algorithm=SHA1&digits=6&period=30";
        return new(base32, uri, Draw(uri));
    }

    // Black on white in dark mode too: not every camera reads the inverse. The quiet zone of four modules belongs to the code (ISO/IEC 18004 §6.3.8).
    private static string Draw(string text)
    {
        using var data = QRCodeGenerator.GenerateQrCode(text, QRCodeGenerator.ECCLevel.M);
        var matrix = data.ModuleMatrix;
        var path = new StringBuilder();
        for (var y = 0; y < matrix.Count; y++)
        {
            for (var x = 0; x < matrix.Count; x++)
            {
                var from = x;
                while (x < matrix.Count && matrix[y][x])
                {
                    x++;
                }

                if (x > from)
                {
                    path.Append(System.Globalization.CultureInfo.InvariantCulture, $"M{from} {y}h{x - from}v1h-{x - from}z");
                }
            }
        }

        return $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {matrix.Count} {matrix.Count}\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{matrix.Count}v{matrix.Count}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>";
    }

    private IDataProtector For(Guid accountId) => _protector.CreateProtector(accountId.ToString("N"));
}
