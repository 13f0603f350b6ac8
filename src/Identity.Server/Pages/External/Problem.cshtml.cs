// OWASP ASVS 5.0 §16.5.1: what happened and what to do, an id to quote, and nothing that helps an attacker.
using System.Text.RegularExpressions;
using Identity.Server.External;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.External;

/// <summary>Tells why a sign-in through another provider came to nothing.</summary>
public sealed partial class ProblemModel(PageServices services, ExternalButtons external) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "problem")]
    public string? ProblemKind { get; set; }

    [BindProperty(SupportsGet = true, Name = "provider")]
    public string? Provider { get; set; }

    [BindProperty(SupportsGet = true, Name = "id")]
    public string? Id { get; set; }

    /// <summary>Which texts.</summary>
    public string Kind { get; private set; } = nameof(ExternalProblem.Refused);

    public bool IsFault => Kind is not (nameof(ExternalProblem.Denied) or nameof(ExternalProblem.Expired));

    public string ProviderName { get; private set; } = "";

    /// <summary>Only what looks like one of ours: the address can be written by anybody.</summary>
    public string? CorrelationId => Id is not null && IdForm().IsMatch(Id) ? Id : null;

    public string Again => PageUrls.SignInHere(LinkReturnUrl);

    public void OnGet()
    {
        var problem = Enum.TryParse<ExternalProblem>(ProblemKind, ignoreCase: false, out var parsed) && Enum.IsDefined(parsed) ? parsed : ExternalProblem.Unknown;
        Kind = problem.ToString();
        var name = Provider is { Length: > 0 and <= 40 } ? external.NameOf(Provider) : null;

        // A name that the settings do not know was made up by whoever wrote the address.
        ProviderName = name is null || name == Provider ? T["External.TheProvider"] : name;
        Response.StatusCode = problem switch
        {
            ExternalProblem.Unavailable => StatusCodes.Status503ServiceUnavailable,
            ExternalProblem.Unknown => StatusCodes.Status404NotFound,
            ExternalProblem.Disabled or ExternalProblem.NoAccount or ExternalProblem.Denied => StatusCodes.Status403Forbidden,
            _ => StatusCodes.Status400BadRequest,
        };
    }

    public IActionResult OnPostDecline() => Declined();

    [GeneratedRegex("^[0-9A-Za-z:-]{8,64}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex IdForm();
}
