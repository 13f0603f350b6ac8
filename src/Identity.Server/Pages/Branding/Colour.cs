// WCAG 2.2 §1.4.3 (contrast), with its definitions of contrast ratio and relative luminance.
using System.Globalization;
using System.Runtime.InteropServices;

namespace Identity.Server.Pages.Branding;

/// <summary>An opaque sRGB colour.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Colour(byte Red, byte Green, byte Blue)
{
    public static Colour White { get; } = new(255, 255, 255);

    public static Colour Black { get; } = new(0, 0, 0);

    private double Luminance => (0.2126 * Linear(Red)) + (0.7152 * Linear(Green)) + (0.0722 * Linear(Blue));

    public static bool TryParse(string? text, out Colour colour)
    {
        colour = default;
        if (text is not ['#', ..] || text.Length != 7 || !uint.TryParse(text.AsSpan(1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        colour = new Colour((byte)(value >> 16), (byte)(value >> 8), (byte)value);
        return true;
    }

    /// <summary>1 to 21.</summary>
    public double ContrastWith(Colour other)
    {
        var (a, b) = (Luminance, other.Luminance);
        return (Math.Max(a, b) + 0.05) / (Math.Min(a, b) + 0.05);
    }

    /// <summary>This colour with a share (0 to 1) of another in it.</summary>
    public Colour Mix(Colour other, double share) => new(Mix(Red, other.Red, share), Mix(Green, other.Green, share), Mix(Blue, other.Blue, share));

    /// <summary>The nearest colour on the way to <paramref name="towards"/> that has the contrast against all of <paramref name="backgrounds"/>.</summary>
    public Colour Until(Colour towards, double contrast, params ReadOnlySpan<Colour> backgrounds)
    {
        for (var step = 0; step <= 50; step++)
        {
            var candidate = Mix(towards, step / 50d);
            var enough = true;
            foreach (var background in backgrounds)
            {
                enough &= candidate.ContrastWith(background) >= contrast;
            }

            if (enough)
            {
                return candidate;
            }
        }

        return towards;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"#{Red:x2}{Green:x2}{Blue:x2}");

    private static byte Mix(byte from, byte to, double share) => (byte)Math.Round(from + ((to - from) * share));

    private static double Linear(byte channel)
    {
        var share = channel / 255d;
        return share <= 0.04045 ? share / 12.92 : Math.Pow((share + 0.055) / 1.055, 2.4);
    }
}
