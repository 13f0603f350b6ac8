// OWASP ASVS 5.0 §15.2.1: what is known to be broken is not run. .NET starts on any patch of its version, however old (CVE-2026-40372, CVE-2025-55315 are of such).
using System.Reflection;

namespace Identity.Server.Hosting;

/// <summary>Whether the machine's .NET is as new as the one that this build was made and tested with: holes are mended in patches of the runtime, which no package of ours brings.</summary>
public static class RuntimePatch
{
    /// <summary>The runtime that the SDK of the build came with; null: the build did not say.</summary>
    public static Version? BuiltWith { get; } = Version.TryParse(
        typeof(RuntimePatch).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(datum => datum.Key == "BuiltWithRuntime")?.Value?.Split('-')[0],
        out var version) ? version : null;

    /// <summary>Null: it is as new, or newer.</summary>
    public static string? FindProblem(Version running, Version? builtWith)
    {
        ArgumentNullException.ThrowIfNull(running);
        return builtWith is not null && running < builtWith
            ? $".NET {running} runs this, and it was built with {builtWith}: what the patches between them mend is open here. Update the ASP.NET Core runtime."
            : null;
    }
}
