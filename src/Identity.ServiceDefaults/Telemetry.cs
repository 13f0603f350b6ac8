using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Identity.ServiceDefaults;

/// <summary>Traces and metrics of both hosts, by OTLP, to where the OTEL_EXPORTER_OTLP_* variables say.</summary>
public static class Telemetry
{
    /// <param name="services">The host's.</param>
    /// <param name="serviceName">service.name; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.</param>
    public static void AddTelemetry(this IServiceCollection services, string serviceName)
    {
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(serviceName, serviceInstanceId: Environment.MachineName).AddEnvironmentVariableDetector())
            .WithMetrics(metrics => metrics
                .AddMeter("Identity.*", "Npgsql", "Microsoft.EntityFrameworkCore")
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation()
                .AddOtlpExporter())
            .WithTracing(traces => traces
                .AddSource("Identity.*", "Npgsql", "RabbitMQ.Client.Publisher", "RabbitMQ.Client.Subscriber")
                .AddAspNetCoreInstrumentation(options => options.Filter = context => !context.Request.Path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase))
                .AddHttpClientInstrumentation()
                .AddProcessor<QueryRedaction>()
                .AddOtlpExporter());
    }

    // Codes, hints and tokens travel in queries: not even their names are told.
    private sealed class QueryRedaction : BaseProcessor<Activity>
    {
        public override void OnEnd(Activity data)
        {
            foreach (var tag in (string[])["url.query", "url.full", "http.url", "http.target"])
            {
                if (data.GetTagItem(tag) is not null)
                {
                    data.SetTag(tag, null);
                }
            }
        }
    }
}
