using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.ServiceDefaults.Settings;

/// <summary>Options classes that are read from a section.</summary>
public static class SectionsExtensions
{
    /// <summary>Reads the section by <see cref="SectionValues"/>, now and not again; what cannot be used stops the start, beside what the options' own validation has to say.</summary>
    public static OptionsBuilder<TOptions> BindSection<TOptions>(this OptionsBuilder<TOptions> builder, string section)
        where TOptions : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton<IValidateOptions<TOptions>>(provider => new Validation<TOptions>(builder.Name, provider.GetRequiredService<IConfiguration>().GetSection(section)));
        return builder.Configure<IConfiguration>((options, configuration) => SectionValues.Bind(configuration.GetSection(section), options)).ValidateOnStart();
    }

    private sealed class Validation<TOptions>(string of, IConfigurationSection section) : IValidateOptions<TOptions>
        where TOptions : class
    {
        public ValidateOptionsResult Validate(string? name, TOptions options) =>
            (name ?? "") != of ? ValidateOptionsResult.Skip
            : SectionValues.FindProblems(section, typeof(TOptions)) is { Count: > 0 } problems ? ValidateOptionsResult.Fail(problems)
            : ValidateOptionsResult.Success;
    }
}
