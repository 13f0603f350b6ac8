using System.Runtime.CompilerServices;

namespace Identity.Tests.Kit.Hosting;

internal static class PolledFiles
{
    /// <summary>A watched file is an inotify instance, of which a person has 128: a host keeps that of its web root until the collector comes by.</summary>
#pragma warning disable CA2255 // Before the first host of a test run: nobody else could say it in time.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Poll() => Environment.SetEnvironmentVariable("DOTNET_USE_POLLING_FILE_WATCHER", "1");
}
