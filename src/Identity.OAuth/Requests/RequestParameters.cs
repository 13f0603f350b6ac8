// RFC 6749 §3.1 and §3.2: parameters are sent once, an empty value counts as absent, unknown ones are ignored.
using System.Collections.Immutable;
using OpenIddict.Abstractions;

namespace Identity.OAuth;

/// <summary>The parameters of a protocol request, read once and by one rule everywhere.</summary>
public sealed class RequestParameters
{
    /// <summary>A request with more distinct parameters than this is refused.</summary>
    public const int MaximumCount = 200;

    /// <summary>A single value longer than this (UTF-16 units) is refused.</summary>
    public const int MaximumValueLength = 32 * 1024;

    private readonly Dictionary<string, IReadOnlyList<string>> _values;

    private RequestParameters(Dictionary<string, IReadOnlyList<string>> values) => _values = values;

    public static RequestParameters Empty { get; } = new([]);

    /// <summary>Names present, with a value that is not empty.</summary>
    public IEnumerable<string> Names => _values.Keys;

    /// <summary>The one value of a parameter; null if absent or empty.</summary>
    public string? this[string name] => _values.TryGetValue(name, out var values) ? values[0] : null;

    /// <summary>All values of a parameter that may repeat (<c>resource</c>, <c>audience</c>).</summary>
    public IReadOnlyList<string> All(string name) => _values.TryGetValue(name, out var values) ? values : [];

    /// <summary>A space-delimited parameter, split, without repeats, in the order sent.</summary>
    public IReadOnlyList<string> List(string name) =>
        this[name] is { } value ? [.. value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal)] : [];

    /// <summary>Applies RFC 6749's rules to what a form or a query held; NUL anywhere is refused.</summary>
    public static Outcome<RequestParameters> Read(IEnumerable<KeyValuePair<string, IReadOnlyList<string?>>> source)
    {
        var values = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var (name, raw) in source)
        {
            if (values.Count >= MaximumCount)
            {
                return Invalid("The request has too many parameters.");
            }

            // Sent twice is wrong even where one of the two is empty.
            if (raw.Count > 1 && name is not ("resource" or "audience"))
            {
                return Invalid("A parameter is sent more than once.");
            }

            var kept = new List<string>(raw.Count);
            foreach (var value in raw)
            {
                if (string.IsNullOrEmpty(value))
                {
                    continue;
                }

                if (value.Length > MaximumValueLength || name.Length > 200)
                {
                    return Invalid("A parameter is too long.");
                }

                if (value.Contains('\0', StringComparison.Ordinal))
                {
                    return Invalid("A parameter holds a NUL character.");
                }

                kept.Add(value);
            }

            if (kept.Count > 50)
            {
                return Invalid("A parameter is sent too many times.");
            }

            if (kept.Count > 0)
            {
                values[name] = kept;
            }
        }

        return new RequestParameters(values);
    }

    /// <summary>The parameters as OpenIddict holds them: of a pushed request (RFC 9126) those that were pushed.</summary>
    public static RequestParameters Of(OpenIddictMessage request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var values = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var (name, parameter) in request.GetParameters())
        {
            if ((ImmutableArray<string?>?)parameter is { Length: > 0 } texts)
            {
                values[name] = [.. texts.OfType<string>()];
            }
        }

        return new RequestParameters(values);
    }

    private static OAuthError Invalid(string description) => new(OAuthErrors.InvalidRequest, description);
}
