using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Identity.ServiceDefaults;

/// <summary>Logs of both hosts outside Development: a JSON object a line, in names that OpenTelemetry's log model has (W3C Trace Context ids among them).</summary>
public static class JsonLogs
{
    public static void AddJsonLogs(this ILoggingBuilder logging)
    {
        ArgumentNullException.ThrowIfNull(logging);
        logging.AddConsole(options => options.FormatterName = Formatter.Registered);
        logging.AddConsoleFormatter<Formatter, ConsoleFormatterOptions>();
    }

    private sealed class Formatter() : ConsoleFormatter(Registered)
    {
        public const string Registered = "identity-json";

        private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

        public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
        {
            using var buffer = new MemoryStream();
            using (var json = new Utf8JsonWriter(buffer, Options))
            {
                json.WriteStartObject();
                json.WriteString("time", TimeProvider.System.GetUtcNow().UtcDateTime);
                json.WriteString("level", logEntry.LogLevel.ToString());
                json.WriteString("category", logEntry.Category);
                json.WriteNumber("eventId", logEntry.EventId.Id);
                if (logEntry.EventId.Name is { } name)
                {
                    json.WriteString("event", name);
                }

                if (Activity.Current is { } activity)
                {
                    json.WriteString("traceId", activity.TraceId.ToString());
                    json.WriteString("spanId", activity.SpanId.ToString());
                }

                json.WriteString("message", logEntry.Formatter(logEntry.State, logEntry.Exception));
                if (logEntry.State is IReadOnlyList<KeyValuePair<string, object?>> { Count: > 0 } state)
                {
                    json.WriteStartObject("state");
                    foreach (var (key, value) in state)
                    {
                        json.WriteString(key, Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture));
                    }

                    json.WriteEndObject();
                }

                if (logEntry.Exception is { } exception)
                {
                    json.WriteString("exception", exception.ToString());
                }

                json.WriteEndObject();
            }

            textWriter.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
        }
    }
}
