using Microsoft.Extensions.Localization;

namespace Identity.Server.Pages.Flow;

/// <summary>Tells devices by words a person knows: "Chrome on Windows". A User-Agent is a claim, not a fact; it is shown, never relied on.</summary>
public static class DeviceNames
{
    // Order matters: Edge and Opera also say Chrome, Chrome also says Safari, Android also says Linux.
    private static readonly (string Token, string Name)[] Browsers =
    [
        ("Edg/", "Edge"), ("EdgA/", "Edge"), ("EdgiOS/", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"), ("HeadlessChrome/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
    ];

    private static readonly (string Token, string Name)[] Systems =
    [
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux"),
    ];

    public static string Describe(IStringLocalizer texts, string? userAgent)
    {
        var browser = Find(Browsers, userAgent);
        var system = Find(Systems, userAgent);
        return (browser, system) switch
        {
            ({ }, { }) => texts["Device.BrowserOnSystem", browser, system],
            ({ } only, null) => only,
            (null, { } only) => only,
            _ => texts["Device.Unknown"],
        };
    }

    public static bool IsPhone(string? userAgent) => userAgent is not null
        && (userAgent.Contains("iPhone", StringComparison.Ordinal) || userAgent.Contains("Android", StringComparison.Ordinal));

    private static string? Find((string Token, string Name)[] known, string? userAgent) =>
        userAgent is null ? null : Array.Find(known, entry => userAgent.Contains(entry.Token, StringComparison.Ordinal)).Name;
}
