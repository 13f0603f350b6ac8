// OWASP ASVS 5.0 §16.2.5: no credentials in logs, whatever level somebody sets while looking for a fault.
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.ServiceDefaults;

/// <summary>The console log of both hosts: levels that settings may change, and what none may turn on.</summary>
public static class SafeLogging
{
    // Request lines with their query, and the links and redirects that are made of it: codes, hints and tokens travel in them. OpenIddict tells requests and
    // answers at Information, and tokens at Trace.
    private static readonly string[] s_leaky =
    [
        "OpenIddict",
        "Microsoft.AspNetCore.Hosting.Diagnostics",
        "Microsoft.AspNetCore.Http.Result",
        "Microsoft.AspNetCore.HttpLogging",
        "Microsoft.AspNetCore.Mvc.Infrastructure.RedirectResultExecutor",
        "Microsoft.AspNetCore.Mvc.RedirectResult",
        "Microsoft.AspNetCore.Routing.DefaultLinkGenerator",
        "Microsoft.AspNetCore.Server.Kestrel.Core.Internal.LoggingConnectionMiddleware",
    ];

    public static void AddSafeLogging(this IHostApplicationBuilder builder, bool isDevelopment)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Logging.ClearProviders();
        if (isDevelopment)
        {
            builder.Logging.AddSimpleConsole(options => options.SingleLine = true);
        }
        else
        {
            builder.Logging.AddJsonLogs();
        }

        // First, so that Logging__LogLevel__… of the operator counts.
        builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["Logging:LogLevel:Microsoft.AspNetCore"] = "Warning",
                ["Logging:LogLevel:Microsoft.AspNetCore.DataProtection"] = "Error",
                ["Logging:LogLevel:Microsoft.EntityFrameworkCore"] = "Warning",
                ["Logging:LogLevel:System.Net.Http"] = "Warning",
            },
        });

        // Every rule, for whatever provider and category, gets the guard.
        builder.Services.PostConfigure<LoggerFilterOptions>(options =>
        {
            options.Rules.Insert(0, new LoggerFilterRule(null, null, options.MinLevel, null));
            for (var i = 0; i < options.Rules.Count; i++)
            {
                var rule = options.Rules[i];
                options.Rules[i] = new LoggerFilterRule(
                    rule.ProviderName,
                    rule.CategoryName,
                    rule.LogLevel,
                    (provider, category, level) => (level >= LogLevel.Warning || !IsLeaky(category)) && (rule.Filter?.Invoke(provider, category, level) ?? true));
            }
        });
    }

    private static bool IsLeaky(string? category) => category is not null && s_leaky.Any(leaky => category.StartsWith(leaky, StringComparison.Ordinal));
}
