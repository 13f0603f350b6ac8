using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Identity.ServiceDefaults;

/// <summary>Traces and metrics of both hosts: by OTLP, to where the OTEL_EXPORTER_OTLP_* variables say, and metrics to whoever scrapes them as Prometheus does.</summary>
public static class Telemetry
{
    /// <param name="services">The host's.</param>
    /// <param name="serviceName">service.name; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.</param>
    /// <param name="byOtlp">Traces and metrics are sent.</param>
    /// <param name="isScraped">Metrics are held ready; the host maps where.</param>
    public static void AddTelemetry(this IServiceCollection services, string serviceName, bool byOtlp = true, bool isScraped = false)
    {
        var telemetry = services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(serviceName, serviceInstanceId: Environment.MachineName).AddEnvironmentVariableDetector())
            .WithMetrics(metrics =>
            {
                metrics
                    .AddMeter("Identity.*", "Npgsql", "Microsoft.EntityFrameworkCore")
                    .AddAspNetCoreInstrumentation()
                    .AddHttpClientInstrumentation()
                    .AddRuntimeInstrumentation();
                if (byOtlp)
                {
                    metrics.AddOtlpExporter();
                }

                if (isScraped)
                {
                    metrics.AddPrometheusExporter();
                }
            });
        if (byOtlp)
        {
            telemetry.WithTracing(traces => traces
                .AddSource("Identity.*", "Npgsql", "RabbitMQ.Client.Publisher", "RabbitMQ.Client.Subscriber")
                .AddAspNetCoreInstrumentation(options => options.Filter = context => !context.Request.Path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase))
                .AddHttpClientInstrumentation()
                .AddProcessor<QueryRedaction>()
                .AddOtlpExporter());
        }
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
