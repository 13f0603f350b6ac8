namespace Identity.Server.Pages;

/// <summary>Names the resource files that hold every text a person reads: Texts.resx is English, Texts.de.resx German, and so on; all have the same names.</summary>
public sealed class Texts;
