namespace Identity.Api;

/// <summary>Section <c>Compatibility</c> of the settings.</summary>
public sealed class CompatibilityOptions
{
    public const string Section = "Compatibility";

    /// <summary>What a successful POST answers: 200, or 201 as the service that these routes come from did. Register is 201 in either case.</summary>
    public int PostStatus { get; set; } = 200;

    /// <summary>The section's problem as one line that names the setting; null where there is none.</summary>
    public string? FindProblem() => PostStatus is 200 or 201 ? null : "Compatibility:PostStatus: expected 200 or 201.";
}
