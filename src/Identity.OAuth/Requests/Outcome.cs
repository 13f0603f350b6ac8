// RFC 6749 §5.2: what the rules of the endpoints come to.
namespace Identity.OAuth;

/// <summary>A value, or the <see cref="OAuthError"/> that stands in its place. Expected failures are values.</summary>
public readonly struct Outcome<T>
{
    private readonly T? _value;

    private Outcome(T? value, OAuthError? error) => (_value, Error) = (value, error);

    /// <summary>The failure, or null where there is a value.</summary>
    public OAuthError? Error { get; }

    /// <summary>The value.</summary>
    /// <exception cref="InvalidOperationException">There is none: the caller did not look at <see cref="Error"/> first.</exception>
    public T Value => Error is null ? _value! : throw new InvalidOperationException($"No value: the outcome is {Error.Code}.");

    /// <summary>True, and the value, where there is one; else the error.</summary>
    public bool TryGet([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? value, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out OAuthError? error)
    {
        value = _value;
        error = Error;
        return Error is null;
    }

    public static implicit operator Outcome<T>(T value) => new(value, null);

    public static implicit operator Outcome<T>(OAuthError error) => new(default, error);
}
