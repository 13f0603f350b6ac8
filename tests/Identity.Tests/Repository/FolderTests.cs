namespace Identity.Tests.Repository;

/// <summary>A folder that cannot be read at a glance opens with a README: what lives here, and who hands to whom.</summary>
public sealed class FolderTests
{
    private const int FilesWithoutReadme = 3;
    private const int LongestReadme = 10;

    // Made by tools, or served as they are.
    private static readonly string[] Left = ["bin", "obj", "node_modules", "Migrations", "Compiled", "wwwroot"];

    private static readonly string[] Folders = [.. Under(Path.Combine(RepositoryRoot.Path, "src"))];

    [Fact]
    public void Folder_WhenItHoldsMoreThanThreeFiles_OpensWithAReadme()
    {
        Assert.Contains(Folders, folder => Path.GetFileName(folder) == "Identity.OAuth");
        Assert.Empty(Folders
            .Where(folder => Directory.GetFiles(folder).Count(file => Path.GetFileName(file) != "README.md") > FilesWithoutReadme)
            .Where(folder => !File.Exists(Path.Combine(folder, "README.md")))
            .Select(folder => Path.GetRelativePath(RepositoryRoot.Path, folder)));
    }

    [Fact]
    public void Readme_WhenItIsAFoldersOwn_HasAtMostTenLines() =>
        Assert.All(Folders.Select(folder => Path.Combine(folder, "README.md")).Where(File.Exists), readme => Assert.InRange(File.ReadAllLines(readme).Length, 2, LongestReadme));

    private static IEnumerable<string> Under(string folder) =>
        Directory.GetDirectories(folder).Where(child => !Left.Contains(Path.GetFileName(child), StringComparer.Ordinal)).SelectMany(child => Under(child).Prepend(child));
}
