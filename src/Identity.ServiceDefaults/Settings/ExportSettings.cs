using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>Where exports are rendered: MEDIA_SERVICE_URL, validated.</summary>
public sealed class ExportSettings
{
    /// <summary>Null: rendered in this process.</summary>
    public Uri? MediaServiceUrl { get; init; }

    /// <summary>Reads the setting; a line in <paramref name="problems"/> where it cannot be used.</summary>
    public static ExportSettings Read(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(problems);

        if (Setting.Text(configuration, "MEDIA_SERVICE_URL") is not { } text)
        {
            return new();
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.UserInfo.Length == 0 && url.Fragment.Length == 0 && (url.Scheme is "https" || (url.Scheme is "http" && DeliverySettings.IsInside(url))))
        {
            return new() { MediaServiceUrl = url };
        }

        problems.Add("MEDIA_SERVICE_URL: expected an https URL without user name or fragment (http only for loopback, a private address, or a name without a dot).");
        return new();
    }
}
