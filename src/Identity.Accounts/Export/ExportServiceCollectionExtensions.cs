using System.Diagnostics.Metrics;
using Identity.Accounts.Data;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Export;

/// <summary>Composition of the exports. The host adds the stores.</summary>
public static class ExportServiceCollectionExtensions
{
    public static IServiceCollection AddUserExports(this IServiceCollection services, ExportSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        services.AddSingleton(settings);
        services.AddOptions<ExportOptions>()
            .BindSection(ExportOptions.Section)
            .Validate(options => options.DirectPdfRows >= 0, "Exports:DirectPdfRows: expected 0 or more.")
            .Validate(options => options.MediaTimeout >= TimeSpan.FromSeconds(1) && options.MediaTimeout <= TimeSpan.FromMinutes(30), "Exports:MediaTimeout: expected 1 second to 30 minutes.");
        services.AddMetrics();
        services.AddSingleton(provider => new ExportMetrics(provider.GetRequiredService<IMeterFactory>()));
        if (settings.MediaServiceUrl is not null)
        {
            services.AddSingleton<MediaService>();
        }

        services.AddSingleton(provider => new UserExports(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetService<MediaService>(),
            provider.GetRequiredService<IOptions<ExportOptions>>(),
            provider.GetRequiredService<ExportMetrics>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<UserExports>>()));
        services.AddSingleton(provider => new ExportJobs(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<UserExports>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<ExportJobs>>()));
        services.AddHostedService<ExportLoop>();
        return services;
    }
}
